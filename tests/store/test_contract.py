"""The store's contract, on SQLite and on Postgres: transactions are whole, moves compare and set, writers queue, readers do not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest

from loopy.domain.errors import AwayError, FullError, LostError, NotFoundError, StoreError
from loopy.domain.states import RunState
from loopy.domain.ticket import RunId
from loopy.engine.books import ReceiptRow
from loopy.store.graph import SqlGraph
from tests.store.conftest import Base, a_run, a_ticket, now


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


def test_the_version_changes_when_another_connection_writes(graph: SqlGraph, base: Base) -> None:
    before = graph.version()
    assert graph.version() == before
    a_run(base.graph())
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


def test_a_locked_database_is_a_clear_error_and_not_a_hang(base: Base) -> None:
    graph, holder = base.graph(patience_s=0.3), base.graph()
    with holder.write(), pytest.raises(AwayError, match=r"writing for too long.*stopped"), graph.write():
        pass
    a_run(graph)


def test_a_full_disk_is_told_from_other_errors(graph: SqlGraph, base: Base) -> None:
    fails = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    if base.path is not None:
        with graph.write() as tx:  # a file that may not grow says what a full disk does
            tx.connection.exec_driver_sql("PRAGMA max_page_count = 1")
        fails = f"INSERT INTO audit (at, by, what, facts) VALUES (0, 'x', 'y', '{'z' * 1_000_000}')"
    with pytest.raises(FullError, match=r"full|could not extend"), graph.write() as tx:
        tx.connection.exec_driver_sql(fails)
    with pytest.raises(StoreError) as raised, graph.write() as tx:
        tx.connection.exec_driver_sql("INSERT INTO audit (no_such_column) VALUES (1)")
    assert not isinstance(raised.value, FullError)


def test_a_killed_writer_leaves_the_others_free_and_nothing_of_its_own(graph: SqlGraph, base: Base) -> None:
    code = (
        "import sys, time; from datetime import datetime, UTC; from loopy.store.graph import SqlGraph\n"
        f"g = SqlGraph({base.url!r}, lambda: datetime.now(UTC))\n"
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
    began = time.monotonic()
    a_run(graph)
    assert time.monotonic() - began < 5
    assert base.sql("SELECT count(*) FROM audit WHERE \"by\" = 'victim'") == [(0,)]


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


def test_reading_does_not_wait_for_a_writer(graph: SqlGraph, base: Base) -> None:
    run = a_run(graph)
    writer = base.graph()
    with writer.write() as tx:
        tx.runs.move(run, "run.test", turn=7)
        began = time.monotonic()
        with graph.read() as other:
            seen = other.runs.get(run.id)
        assert seen is not None
        assert seen.turn == 1
        assert time.monotonic() - began < 5


def test_a_reading_transaction_is_one_snapshot(graph: SqlGraph, base: Base) -> None:
    run, writer = a_run(graph), base.graph()
    with graph.read() as tx:
        before = tx.runs.get(run.id)
        with writer.write() as other:
            other.runs.move(run, "run.test", turn=7)
        assert tx.runs.get(run.id) == before
    with graph.read() as tx:
        after = tx.runs.get(run.id)
    assert after is not None
    assert after.turn == 7


def test_writers_of_two_graphs_follow_each_other(base: Base) -> None:
    """Each counts what is there, then adds one: what admission does with slots and the chain of receipts with its head."""
    graphs, seen = [base.graph() for _ in range(4)], []

    def write(graph: SqlGraph) -> None:
        for _ in range(10):
            with graph.write() as tx:
                count = len(tx.tickets.all(limit=1000))
                time.sleep(0.001)
                tx.tickets.add(a_ticket(str(count)))
                seen.append(count)

    threads = [threading.Thread(target=write, args=(graph,)) for graph in graphs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(40))


def test_a_follower_of_events_misses_none(base: Base) -> None:
    """An event's id is given inside its transaction; a later id must never be seen before an earlier one."""
    writers, follower, stop = [base.graph() for _ in range(3)], base.graph(), threading.Event()
    followed: list[int] = []

    def follow() -> None:
        while True:
            last = stop.is_set()
            followed.extend(e.id for e in follower.events(followed[-1] if followed else 0, limit=10_000))
            if last:
                return

    def write(graph: SqlGraph) -> None:
        for n in range(30):
            a_run(graph, str(n))

    following = threading.Thread(target=follow)
    following.start()
    threads = [threading.Thread(target=write, args=(graph,)) for graph in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    following.join()
    assert followed == sorted(e.id for e in follower.events(0, limit=10_000))
    assert len(followed) == 90


def test_runs_come_in_the_order_of_their_bytes(graph: SqlGraph) -> None:
    for n in range(11):
        a_run(graph, str(n))
    with graph.read() as tx:
        found = [run.id for run in tx.runs.page("", 100)]
        assert found == sorted(found)
        assert [run.id for run in tx.runs.page("LP-1.1", 1)] == ["LP-10.1"]


def test_a_number_may_be_as_large_as_on_any_of_them(graph: SqlGraph) -> None:
    run = a_run(graph)
    with graph.write() as tx:
        assert tx.runs.spend(run, 5_000_000_000, None) == 5_000_000_000
    with graph.read() as tx:
        assert tx.tickets.get("LP-999999999999999") is None


def test_a_zero_byte_in_a_text_stops_nobody(graph: SqlGraph) -> None:
    run = a_run(graph)
    with graph.write() as tx:
        tx.runs.move(run, "run.test", text="one\0two", facts={"said": "one\0two"})
    event = graph.events(0, run.id)[-1]
    assert event.text.startswith("one")
    assert event.text.endswith("two")
    assert event.facts["said"] == "one\0two"


def test_bytes_come_back_as_they_were(graph: SqlGraph) -> None:
    run, raw = a_run(graph), bytes(range(256))
    with graph.write() as tx:
        tx.receipts.add(ReceiptRow(1, run.id, "passed", "d", "", raw, raw[::-1], raw, now()))
    with graph.read() as tx:
        found = tx.receipts.of(run.id)
        assert tx.receipts.head() == (1, "d")
    assert found is not None
    assert (found.statement, found.envelope) == (raw, raw[::-1])


def test_a_second_receipt_of_a_number_or_on_a_head_is_refused(graph: SqlGraph) -> None:
    first, second = a_run(graph), a_run(graph)
    with graph.write() as tx:
        tx.receipts.add(ReceiptRow(1, first.id, "passed", "d", "", b"", b"", b"", now()))
    for seq, previous in ((1, "d"), (2, "")):
        with pytest.raises(StoreError), graph.write() as tx:
            tx.receipts.add(ReceiptRow(seq, second.id, "passed", "e", previous, b"", b"", b"", now()))
