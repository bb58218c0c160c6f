"""Postgres alone: what its one writers' lock is for, and what a stopped writer or a restarted server may not do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from loopy.domain.errors import AwayError, StoreError
from loopy.store.graph import SqlGraph
from loopy.store.migrate import migrate
from tests.store.conftest import Base, a_run, now
from tests.store.test_looks import LOOKS
from tests.support.servers import postgres, postgres_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
ON_POSTGRES = pytest.mark.parametrize("base", ["postgres"], indirect=True)
HOLD = (
    "import sys, time; from datetime import datetime, UTC; from loopy.store.graph import SqlGraph\n"
    "g = SqlGraph(sys.argv[1], lambda: datetime.now(UTC), patience_s=float(sys.argv[2]))\n"
    "with g.write() as tx:\n"
    "    tx.fleet.audit('victim', 'half', 'done')\n"
    "    print('in', flush=True); sys.stdin.readline()\n"
)


@ON_POSTGRES
def test_a_stopped_writer_loses_its_turn_and_its_transaction(base: Base) -> None:
    graph = base.graph()
    argv = [sys.executable, "-c", HOLD, base.url, "1.5"]
    victim = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"in\n"
    os.kill(victim.pid, signal.SIGSTOP)
    began = time.monotonic()
    run = a_run(graph)
    assert time.monotonic() - began < 10
    os.kill(victim.pid, signal.SIGCONT)
    _, said = victim.communicate(b"go on\n", timeout=30)
    assert b"AwayError" in said
    assert base.sql("SELECT count(*) FROM audit") == [(0,)]
    assert [e.run for e in graph.events(0)] == [run.id]


@pytest.fixture
def fallible() -> Iterator[Base]:
    """A database on a server of its own, which keeps what it has committed."""
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres(durable=True) as server:
        url = server.fresh()
        migrate(url, None)
        base = Base(url, None, server)
        yield base
        for graph in base.opened:
            graph.close()


def test_a_server_that_crashes_keeps_every_commit_and_is_used_again_when_it_is_back(fallible: Base) -> None:
    """Not one may go: a token that a claim was given, and that the server forgot, would be given twice."""
    graph, server = fallible.graph(), fallible.server
    assert server is not None
    runs = [a_run(graph, str(n)) for n in range(5)]
    with pytest.raises(AwayError), graph.write() as tx:  # noqa: PT012  # it dies in the middle
        tx.runs.move(runs[0], "run.half", turn=2)
        server.restart()
        tx.runs.move(runs[1], "run.half", turn=2)
    with graph.read() as tx:
        assert [tx.runs.get(run.id) for run in runs] == runs
    a_run(graph, "after")
    server.restart()
    a_run(graph, "after a restart that nobody saw")
    assert len(graph.events(0)) == 7


@ON_POSTGRES
@pytest.mark.parametrize("name", LOOKS)
def test_no_look_needs_to_read_the_whole_history(base: Base, name: str) -> None:
    """With whole readings made dear, one that is left is one that no index can serve."""
    graph = base.graph()
    statements: list[tuple[str, Any]] = []
    with graph.read() as tx:
        tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")

        def note(_c: object, _cursor: object, statement: str, values: Any, _x: object, _many: bool) -> None:
            statements.append((statement, values))

        event.listen(tx.connection.engine, "before_cursor_execute", note)
        LOOKS[name](tx)
        event.remove(tx.connection.engine, "before_cursor_execute", note)
        plans = [
            str(row[0]) for sql, values in statements for row in tx.connection.exec_driver_sql(f"EXPLAIN {sql}", values)
        ]
    assert plans
    big = ("run", "event", "outcome", "attempt", "approval", "receipt", "worker")
    assert [p for p in plans if any(f"Seq Scan on {table}" in p for table in big)] == []
    assert [p for p in plans if "ix_run_ticket" in p or "pk_run" in p] == []


@ON_POSTGRES
def test_an_error_never_shows_the_password(base: Base) -> None:
    from sqlalchemy import make_url

    word = str(make_url(base.url).password)
    wrong = SqlGraph(base.url.replace(word, "not-" + word), now)
    with pytest.raises(StoreError) as raised, wrong.read():
        pass
    assert "password authentication failed" in str(raised.value)
    assert word not in str(raised.value)
