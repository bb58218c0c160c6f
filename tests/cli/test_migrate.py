"""`loopy migrate`: says from where to where, and with --check only looks."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from loopy.store.migrate import HEAD, revision
from tests.support.servers import postgres, postgres_folder

from .support import House


def test_checking_changes_nothing_and_says_what_would_be_done(house: House) -> None:
    said = house.loopy("migrate", "--check")
    assert said.code == 1
    assert f"would go from nothing to schema {HEAD}" in said.out
    assert not (house.home / "loopy.db").exists()


def test_migrating_says_from_where_to_where_and_then_that_nothing_is_left(house: House) -> None:
    said = house.loopy("migrate", "--json")
    assert said.code == 0
    path = house.home / "loopy.db"
    assert said.json == {"graph": str(path), "from": None, "to": HEAD, "behind": True, "done": True}
    assert revision(f"sqlite:///{path}") == HEAD
    assert path.stat().st_mode & 0o777 == 0o600
    for words in (["migrate"], ["migrate", "--check"]):
        said = house.loopy(*words)
        assert said.code == 0
        assert f"has schema {HEAD}, nothing to do" in said.out


@pytest.mark.parametrize("words", [["migrate"], ["migrate", "--check"]])
def test_a_newer_schema_is_refused(settled: House, words: list[str]) -> None:
    with closing(sqlite3.connect(settled.home / "loopy.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    said = settled.loopy(*words)
    assert said.code == 3
    assert "9999" in said.err
    assert revision(f"sqlite:///{settled.home / 'loopy.db'}") == "9999"


@pytest.mark.slow
def test_a_graph_on_postgres_is_migrated_and_its_password_not_shown(house: House) -> None:
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres() as server:
        env = {"LOOPY_DATABASE_URL": server.fresh()}
        assert house.loopy("migrate", "--check", env=env).code == 1
        said = house.loopy("migrate", env=env)
        assert said.code == 0
        assert f"went from nothing to schema {HEAD}" in said.out
        assert env["LOOPY_DATABASE_URL"].split(":")[2].partition("@")[0] not in said.out
        assert house.loopy("migrate", "--check", env=env).code == 0
        filed = house.loopy("ticket", "add", "On a server", env=env)
        assert filed.code == 0, filed.err
        assert "On a server" in house.loopy("board", env=env).out
