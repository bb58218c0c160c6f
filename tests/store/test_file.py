"""The SQLite file: it survives its processes, its log is folded back, and damage is a clear error."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
