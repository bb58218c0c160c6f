"""The store: migrations make the schema, transactions are whole, writers queue, and the file survives its processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from loopy.domain.errors import LostError, MigrationError, NotFoundError, StoreError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step
from loopy.domain.ticket import RunId, Ticket, TicketId
from loopy.store.files import PASSIVE_BYTES
from loopy.store.graph import SqlGraph
from loopy.store.migrate import migrate
from loopy.store.schema import metadata


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "loopy.db"
    migrate(f"sqlite:///{path}", path)
    return path


@pytest.fixture
def graph(path: Path) -> SqlGraph:
    return SqlGraph(f"sqlite:///{path}", now)


def a_run(graph: SqlGraph, title: str = "t") -> Run:
    with graph.write() as tx:
        ticket = tx.tickets.add(Ticket(id=TicketId(""), title=title, repo="/r", created_at=now()))
        run = Run(
            id=tx.runs.next_id(ticket.id),
            ticket=ticket.id,
            repo="/r",
            state=RunState.READY,
            segment=Segment.PREPARE,
            step=Step.PLAN,
            turn=1,
            epoch=0,
            token=0,
            version=0,
            created_at=now(),
        )
        return tx.runs.add(run)


def test_the_migrations_make_exactly_the_schema_in_the_code(path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


def test_migrating_twice_does_nothing_and_a_newer_schema_is_refused(path: Path) -> None:
    url = f"sqlite:///{path}"
    assert migrate(url, path) is False
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(MigrationError, match="9999"):
        migrate(url, path)


def test_a_transaction_that_fails_leaves_nothing(graph: SqlGraph) -> None:
    run = a_run(graph)
    with pytest.raises(RuntimeError), graph.write() as tx:  # noqa: PT012  # the failure comes after the write
        tx.runs.move(run, "run.test", turn=2)
        raise RuntimeError
    with graph.read() as tx:
        assert tx.runs.get(run.id) == run
    assert [e.name for e in graph.events(0, run.id)] == ["run.created"]


def test_a_move_is_a_compare_and_set(graph: SqlGraph) -> None:
    run = a_run(graph)
    with graph.write() as tx:
        tx.runs.move(run, "run.first", turn=2)
    with pytest.raises(LostError), graph.write() as tx:
        tx.runs.move(run, "run.second", turn=3)


def test_a_run_reads_back_as_it_was_written(graph: SqlGraph) -> None:
    run = a_run(graph)
    with graph.read() as tx:
        read = tx.runs.get(run.id)
    assert read == run


def test_a_reader_cannot_write(graph: SqlGraph) -> None:
    run = a_run(graph)
    with pytest.raises(StoreError), graph.read() as tx:
        tx.runs.move(run, "run.test")


def test_a_strange_ticket_id_is_refused_with_a_hint(graph: SqlGraph) -> None:
    with graph.read() as tx:
        with pytest.raises(NotFoundError, match="LP-12"):
            tx.tickets.get("LP-1; DROP TABLE run")
        assert tx.tickets.get("LP-999") is None
        assert tx.runs.get("LP-1.1'--") is None


def test_the_version_changes_when_another_connection_writes(graph: SqlGraph, path: Path) -> None:
    before = graph.version()
    assert graph.version() == before
    a_run(SqlGraph(f"sqlite:///{path}", now))
    assert graph.version() != before


def test_writers_of_many_threads_all_come_to_their_turn(graph: SqlGraph) -> None:
    def write(n: int) -> None:
        for k in range(20):
            a_run(graph, f"{n}-{k}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with graph.read() as tx:
        assert len(tx.tickets.all(limit=1000)) == 120


def test_many_threads_may_read_at_once(graph: SqlGraph) -> None:
    a_run(graph)
    gate = threading.Barrier(20)
    seen: list[int] = []

    def read() -> None:
        with graph.read() as tx:
            gate.wait(timeout=20)
            seen.append(len(tx.tickets.all()))

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 20


def test_a_locked_database_is_a_clear_error_and_not_a_hang(graph: SqlGraph, path: Path) -> None:
    graph._lock._patience_s = 0.3  # what BUSY_MS is in production
    holder = SqlGraph(f"sqlite:///{path}", now)
    with holder.write(), pytest.raises(StoreError, match="too long"), graph.write():
        pass


def test_a_killed_writer_leaves_the_others_free_and_the_file_whole(graph: SqlGraph, path: Path) -> None:
    code = (
        "import sys, time; from datetime import datetime, UTC; from loopy.store.graph import SqlGraph\n"
        f"g = SqlGraph('sqlite:///{path}', lambda: datetime.now(UTC))\n"
        "with g.write() as tx:\n"
        "    tx.fleet.audit('victim', 'half', 'done')\n"
        "    print('in', flush=True); time.sleep(60)\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == b"in\n"
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    victim.stdout.close()
    a_run(graph)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("SELECT count(*) FROM audit WHERE \"by\" = 'victim'").fetchone() == (0,)
    connection.close()


def test_a_checkpoint_folds_a_grown_log_back(graph: SqlGraph, path: Path) -> None:
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


def test_times_keep_their_order_and_zone(graph: SqlGraph) -> None:
    run = a_run(graph)
    later = now() + timedelta(seconds=5)
    with graph.write() as tx:
        moved = tx.runs.move(run, "run.waiting", state=RunState.WAITING, wake_at=later)
    with graph.read() as tx:
        read = tx.runs.get(run.id)
    assert read is not None
    assert read.wake_at is not None
    assert abs(read.wake_at - later) < timedelta(milliseconds=1)
    assert read.wake_at.tzinfo is not None
    assert moved.version == read.version == 1


def test_ids_of_runs_count_up_within_their_ticket(graph: SqlGraph) -> None:
    first = a_run(graph)
    with graph.read() as tx:
        assert tx.runs.next_id(first.ticket) == RunId("LP-1.2")


def test_the_queue_is_read_by_an_index_and_not_by_its_history(path: Path) -> None:
    connection = sqlite3.connect(path)
    for state in ("ready", "queued", "running", "waiting"):
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN SELECT id FROM run WHERE state = '{state}'").fetchall())
        assert f"ix_run_{state}" in plan, plan
    connection.close()


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "loopy.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="doctor"):
        migrate(f"sqlite:///{path}", path)


def test_reading_does_not_wait_for_a_writer(graph: SqlGraph, path: Path) -> None:
    run = a_run(graph)
    writer = SqlGraph(f"sqlite:///{path}", now)
    with writer.write() as tx:
        tx.runs.move(run, "run.test", turn=7)
        began = time.monotonic()
        with graph.read() as other:
            seen = other.runs.get(run.id)
        assert seen is not None
        assert seen.turn == 1
        assert time.monotonic() - began < 5
