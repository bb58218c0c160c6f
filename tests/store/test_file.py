"""The SQLite file: it survives its processes, its log is folded back, and damage is a clear error."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from loopy.domain.errors import StoreError
from loopy.store.files import PASSIVE_BYTES
from loopy.store.graph import SqlGraph
from tests.store.conftest import Base, a_run

pytestmark = pytest.mark.parametrize("base", ["sqlite"], indirect=True)


def test_a_checkpoint_folds_a_grown_log_back(graph: SqlGraph, base: Base) -> None:
    path = base.path
    assert path is not None
    run, wal = a_run(graph), path.with_name(path.name + "-wal")
    with graph.write() as tx:
        for n in range(60):
            tx.fleet.audit("test", "big", run.id, {"text": "x" * 100_000, "n": n})
    assert wal.stat().st_size > PASSIVE_BYTES
    graph.checkpoint()
    a_run(graph)
    with graph.read() as tx:
        assert tx.runs.get(run.id) is not None
    assert wal.stat().st_size < 2 * 60 * 100_000


def test_the_queue_is_read_by_an_index_and_not_by_its_history(base: Base) -> None:
    for state in ("ready", "queued", "running", "waiting"):
        plan = str(base.sql(f"EXPLAIN QUERY PLAN SELECT id FROM run WHERE state = '{state}'"))
        assert f"ix_run_{state}" in plan, plan


def test_a_killed_writer_leaves_the_file_whole(graph: SqlGraph, base: Base) -> None:
    code = (
        "import sys, time; from datetime import datetime, UTC; from loopy.store.graph import SqlGraph\n"
        f"g = SqlGraph({base.url!r}, lambda: datetime.now(UTC))\n"
        "for n in range(1_000_000):\n"
        "    with g.write() as tx:\n"
        "        tx.fleet.audit('victim', 'half', 'x' * 10_000)\n"
        "    print(n, flush=True)\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    for _ in range(50):
        last = int(victim.stdout.readline())
    victim.kill()
    last = max([last, *map(int, victim.stdout.read().splitlines()[:-1])])
    victim.wait()
    victim.stdout.close()
    a_run(graph)
    assert base.sql("PRAGMA integrity_check") == [("ok",)]
    assert base.sql("SELECT count(*) FROM audit")[0][0] > last


def as_after_a_power_cut(database: Path, folder: Path) -> list[str]:
    """Return what the audit says in a copy of the database and its log as they are now."""
    folder.mkdir()
    for file in (database, database.with_name(database.name + "-wal")):
        shutil.copyfile(file, folder / file.name)
    with closing(sqlite3.connect(folder / database.name)) as copy:
        return [row[0] for row in copy.execute("SELECT what FROM audit ORDER BY id")]


def test_a_full_commit_is_in_the_log_when_the_disk_is_waited_for_and_a_plain_one_does_not_wait(
    graph: SqlGraph, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert base.path is not None
    path, wait, seen = base.path, os.fsync, list[list[str]]()

    def fsync(fd: int) -> None:
        assert os.path.samestat(os.fstat(fd), path.with_name(path.name + "-wal").stat())
        seen.append(as_after_a_power_cut(path, tmp_path / f"cut{len(seen)}"))
        with graph.write() as other:  # the writers' lock is free meanwhile
            other.fleet.audit("test", f"during{len(seen)}", "x")
        wait(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for n, full in enumerate((False, True, False, True)):
        with graph.write(full=full) as tx:
            tx.fleet.audit("test", f"{n}", "x")
    assert seen == [["0", "1"], ["0", "1", "during1", "2", "3"]]


def test_a_disk_that_does_not_take_it_is_a_clear_error(graph: SqlGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(_fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StoreError, match="is not on the disk: Input/output error"), graph.write(full=True) as tx:
        tx.fleet.audit("test", "lost", "x")
