"""Migrations make exactly the schema in the code, once, whoever comes first; a newer schema or a damaged file is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, inspect

from loopy.domain.errors import ConfigError, MigrationError, StoreError
from loopy.domain.states import RunState, Segment
from loopy.store.migrate import HEAD, _config, migrate, revision
from loopy.store.schema import metadata
from tests.store.conftest import Base, a_run

TOGETHER = """
import sys, pathlib
from loopy.store.migrate import migrate
url, path = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
print(migrate(url, pathlib.Path(path) if path else None), flush=True)
"""


def test_the_migrations_make_exactly_the_schema_in_the_code(base: Base) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_engine(base.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_migrating_twice_does_nothing_and_a_newer_schema_is_refused(base: Base) -> None:
    assert migrate(base.url, base.path) is False
    base.sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MigrationError, match="9999"):
        migrate(base.url, base.path)
    assert base.sql("SELECT version_num FROM alembic_version") == [("9999",)]


def test_of_processes_that_migrate_at_once_one_does_it_and_the_others_wait(empty: Base) -> None:
    assert revision(empty.url) is None
    argv = [sys.executable, "-c", TOGETHER, empty.url, str(empty.path or "")]
    racers = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = sorted(racer.communicate(timeout=60)[0].strip() for racer in racers)
    assert said == ["False", "False", "False", "True"]
    assert [racer.returncode for racer in racers] == [0] * 4
    assert revision(empty.url) == HEAD


def test_runs_that_were_ready_before_there_were_lanes_stand_in_theirs(base: Base) -> None:
    config = _config()
    config.attributes["url"] = base.url
    graph = base.graph()
    runs = [a_run(graph, title) for title in ("plain", "accused", "never timed")]
    for run in runs:
        deaths = 3 if run is runs[1] else 0
        with graph.write() as tx:
            tx.runs.move(run, "run.ready", state=RunState.READY, ready_at=run.created_at, deaths=deaths, strikes=deaths)
    lanes = base.sql("SELECT id, lane, ready_at FROM run ORDER BY id")
    graph.close()
    command.downgrade(config, "0001")
    base.sql(f"UPDATE run SET ready_at = NULL WHERE id = '{runs[2].id}'")
    assert migrate(base.url, base.path) is True
    assert base.sql("SELECT id, lane, ready_at FROM run ORDER BY id") == lanes
    assert lanes[1][1].startswith("accused")
    with graph.read() as tx:
        assert [c.id for c in tx.runs.ready(dict.fromkeys(Segment, 3))] == [run.id for run in runs]


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "loopy.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="doctor"):
        migrate(f"sqlite:///{path}", path)


def test_a_server_that_is_not_there_is_a_clear_error_without_its_password() -> None:
    url = "postgresql+psycopg://ada:secret@127.0.0.1:1/loopy"
    with pytest.raises(StoreError) as raised:
        migrate(url, None)
    assert "127.0.0.1" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_an_unknown_driver_is_named_with_the_one_to_install() -> None:
    with pytest.raises(ConfigError, match=r"loopy-os\[postgres\].*postgresql\+psycopg"):
        migrate("postgresql+asyncpg://127.0.0.1/loopy", None)
