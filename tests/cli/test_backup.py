"""Backups: one intact file, made while others write, and put back only where nobody works."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from loopy.bootstrap.services import Services
from loopy.process.alive import hold
from loopy.store.backup import examine
from loopy.store.migrate import HEAD

from .support import House, file_and_start

URL = "postgresql+psycopg://ada:secret@127.0.0.1:1/loopy"


@pytest.fixture
def full(settled: House, made: Services) -> House:
    """A house with two tickets in its graph."""
    for title in ("one", "two"):
        file_and_start(made, title, settled.repo)
    made.graph.close()
    return settled


def titles(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT title FROM ticket ORDER BY n")]


def beside(house: House) -> set[str]:
    return {p.name for p in house.home.iterdir() if p.name.startswith((".", "loopy.db"))}


def test_a_backup_is_one_intact_file_of_the_owners_alone(full: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    said = full.loopy("backup", str(copy), "--json")
    assert said.code == 0, said.err
    assert said.json["tickets"] == 2
    assert said.json["schema"] == HEAD
    assert {Path(p).name for p in said.json["copy_too"]} == {"loopy.toml", "keys", "agents", "runs"}
    assert copy.stat().st_mode & 0o777 == 0o600
    assert titles(copy) == ["one", "two"]
    assert [p.name for p in tmp_path.iterdir() if "copy" in p.name] == ["copy.db"]


def test_a_backup_made_while_others_write_is_one_moment_of_the_graph(
    full: House, made: Services, tmp_path: Path
) -> None:
    """Each transaction writes two rows; a copy that has one of them was torn."""
    stop, begun = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            with made.graph.write() as tx:
                for half in ("first", "second"):
                    tx.fleet.audit("test", half, "x" * 2000)
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(20)
    for n in range(5):
        assert full.loopy("backup", str(tmp_path / f"{n}.db")).code == 0
    stop.set()
    writer.join()
    counts = []
    for n in range(5):
        with closing(sqlite3.connect(tmp_path / f"{n}.db")) as connection:
            rows = dict(connection.execute("SELECT what, count(*) FROM audit GROUP BY what").fetchall())
        assert rows["first"] == rows["second"]
        counts.append(rows["first"])
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_a_backup_overwrites_nothing_unless_it_is_told_to(full: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    said = full.loopy("backup", str(copy))
    assert (said.code, copy.read_text()) == (2, "mine")
    assert "--force" in said.err
    assert full.loopy("backup", str(copy), "--force").code == 0
    assert titles(copy) == ["one", "two"]


@pytest.mark.parametrize("name", ["loopy.db", "loopy.db-wal", "loopy.db-shm", "loopy.db.lock"])
def test_a_backup_never_takes_the_graphs_own_names(full: House, name: str) -> None:
    said = full.loopy("backup", str(full.home / name), "--force")
    assert said.code == 2
    assert "belongs to the work graph" in said.err
    assert titles(full.home / "loopy.db") == ["one", "two"]


def test_a_backup_of_a_damaged_graph_leaves_no_file(full: House, tmp_path: Path) -> None:
    graph = full.home / "loopy.db"
    with graph.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(8 * 4096))
    said = full.loopy("backup", str(tmp_path / "copy.db"))
    assert said.code == 3, said.out
    assert [p.name for p in tmp_path.iterdir() if "copy" in p.name] == []


def test_a_graph_on_a_server_is_refused_with_the_servers_own_command(full: House, tmp_path: Path) -> None:
    for word, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        said = full.loopy(word, str(tmp_path / "copy.db"), env={"LOOPY_DATABASE_URL": URL})
        assert said.code == 2
        assert tool in said.err
        assert "secret" not in said.err


def test_a_restored_graph_is_the_backup_and_the_old_one_is_kept(full: House, made: Services, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert full.loopy("backup", str(copy)).code == 0
    file_and_start(made, "three", full.repo)
    made.graph.close()
    said = full.loopy("restore", str(copy), "--json")
    assert said.code == 0, said.err
    kept = Path(said.json["kept"])
    assert kept.name.startswith("loopy.db.before-restore-")
    assert titles(full.home / "loopy.db") == ["one", "two"]
    assert titles(kept) == ["one", "two", "three"]
    assert titles(copy) == ["one", "two"]
    assert (full.home / "loopy.db").stat().st_mode & 0o777 == 0o600
    with made.graph.read() as tx:
        audit = tx.connection.exec_driver_sql('SELECT "by", what FROM audit').all()
    assert [tuple(row) for row in audit][-1] == ("ada", "graph.restored")


def test_what_was_only_in_the_log_is_in_the_kept_graph_too(full: House, tmp_path: Path) -> None:
    """A writer that was killed leaves its commits in the log; they stay with the old graph and never reach the new one."""
    copy = tmp_path / "copy.db"
    assert full.loopy("backup", str(copy)).code == 0
    code = (
        "import sys, os; from datetime import datetime, UTC; from loopy.store.graph import SqlGraph\n"
        "from loopy.domain.ticket import Ticket, TicketId\n"
        "g = SqlGraph(sys.argv[1], lambda: datetime.now(UTC))\n"
        "with g.write() as tx:\n"
        "    tx.tickets.add(Ticket(id=TicketId(''), title='logged', repo='/r', created_at=datetime.now(UTC)))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    graph = full.home / "loopy.db"
    assert subprocess.run([sys.executable, "-c", code, f"sqlite:///{graph}"]).returncode == -9
    assert graph.with_name("loopy.db-wal").stat().st_size > 0
    said = full.loopy("restore", str(copy), "--json")
    assert said.code == 0, said.err
    assert titles(Path(said.json["kept"])) == ["one", "two", "logged"]
    assert titles(graph) == ["one", "two"]


def test_a_restore_is_refused_while_a_worker_lives(full: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert full.loopy("backup", str(copy)).code == 0
    before = beside(full)
    worker = hold(full.home / "alive", "w1")
    said = full.loopy("restore", str(copy))
    assert said.code == 2
    assert "1 worker up" in said.err
    assert beside(full) - {"loopy.db.lock"} == before - {"loopy.db.lock"}
    worker.release()
    assert full.loopy("restore", str(copy)).code == 0


def test_a_restore_is_refused_while_somebody_has_the_graph_open(full: House, made: Services, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert full.loopy("backup", str(copy)).code == 0
    with made.graph.read() as tx:
        tx.tickets.get("LP-1")
        said = full.loopy("restore", str(copy))
        assert said.code == 2
        assert "has it open" in said.err
    made.graph.close()
    assert full.loopy("restore", str(copy)).code == 0


@pytest.mark.parametrize("how", ["text", "empty", "other", "torn", "newer", "missing", "folder"])
def test_a_file_that_is_no_intact_graph_changes_nothing(full: House, tmp_path: Path, how: str) -> None:
    bad, before = tmp_path / "bad.db", beside(full)
    if how == "text":
        bad.write_text("this is no database\n" * 400)
    elif how == "empty":
        bad.touch()
    elif how == "other":
        with closing(sqlite3.connect(bad)) as connection:
            connection.execute("CREATE TABLE t (a)")
    elif how == "folder":
        bad.mkdir()
    elif how in {"torn", "newer"}:
        assert full.loopy("backup", str(bad)).code == 0
    if how == "torn":
        with bad.open("r+b") as file:
            file.truncate(bad.stat().st_size // 2)
    if how == "newer":
        with closing(sqlite3.connect(bad)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
            connection.commit()
    said = full.loopy("restore", str(bad))
    assert said.code == (2 if how in {"missing", "folder"} else 3), said.err
    assert how != "other" or "no work graph of Loopy" in said.err
    assert titles(full.home / "loopy.db") == ["one", "two"]
    assert beside(full) - {"loopy.db.lock"} == before - {"loopy.db.lock"}


def test_a_damaged_graph_is_replaced_and_kept_with_its_log(full: House, tmp_path: Path) -> None:
    copy, graph = tmp_path / "copy.db", full.home / "loopy.db"
    assert full.loopy("backup", str(copy)).code == 0
    graph.write_bytes(b"this is no database" * 1000)
    graph.with_name("loopy.db-wal").write_bytes(b"nor is this a log")
    said = full.loopy("restore", str(copy), "--json")
    assert said.code == 0, said.err
    kept = Path(said.json["kept"])
    assert kept.read_bytes().startswith(b"this is no database")
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"nor is this a log"
    assert titles(graph) == ["one", "two"]


def test_a_backup_restores_into_an_empty_home(full: House, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert full.loopy("backup", str(copy)).code == 0
    (full.home / "loopy.db").unlink()
    said = full.loopy("restore", str(copy), "--json")
    assert said.code == 0, said.err
    assert said.json["kept"] is None
    assert examine(full.home / "loopy.db") == (HEAD, 2)
