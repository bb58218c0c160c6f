"""Rule 5 while the graph is away: the stream gathers, and a finish is tried until it is on record or the claim is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from loopy.domain import crashpoints
from loopy.domain.errors import AwayError, FullError, StoreError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.outcome import Coded
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.order import AGAIN_S, DEADLINES_S
from loopy.ports import Leash
from tests.engine.acts import rob, take
from tests.engine.world import World


def said(world: World, run_id: str) -> list[str]:
    return [e.text for e in world.graph.events(0, run_id, 10_000) if e.version is None]


def coded(world: World, run_id: str) -> bool:
    with world.graph.read() as tx:
        return isinstance(tx.runs.outcome(run_id, 1, Step.CODE), Coded)


@contextmanager
def away(point: str, error: StoreError, times: int = 100_000, skip: int = 0) -> Iterator[list[str]]:
    """Let so many transactions fail that come to the point, after the first few; they are told."""
    visits: list[str] = []
    failed: list[str] = []

    def fail(reached: str) -> None:
        if reached == point:
            visits.append(reached)
            if skip < len(visits) <= skip + times:
                failed.append(reached)
                raise error

    crashpoints.install(fail)
    try:
        yield failed
    finally:
        crashpoints.install(None)


LOCKED, FULL = AwayError("work graph", "database is locked"), FullError("work graph", "database or disk is full")


# ---- the stream


def test_5_an_agents_words_are_written_by_the_heart_alone_in_batches_and_in_order(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        world.graph.written.clear()
        for n in range(1000):
            leash.emit(StreamEvent("agent.message", str(n)))
        assert world.graph.written == []
        leash.flush()
        leash.flush()
    assert len(world.graph.written) == 1
    assert said(world, run.id) == [str(n) for n in range(1000)]


def test_5_the_last_words_come_with_the_finish_and_in_its_transaction(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.graph.written.clear()
    world.deliver()
    assert len(world.graph.written) == 2  # claim and finish
    events = world.graph.events(0, run.id, 10_000)
    assert [e.name for e in events][-2:] == ["agent.message", "run.queued"]


def test_5_a_stale_stream_writes_nothing_and_learns_that_it_is_lost(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        leash.emit(StreamEvent("agent.message", "too late"))
        rob(world, run.id)
        leash.flush()
        assert leash.stopping() == "lost"
    assert said(world, run.id) == []


def test_5_a_batch_that_cannot_be_written_now_is_written_later(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        leash.emit(StreamEvent("agent.message", "first"))
        with pytest.raises(StoreError), away("store.before_commit", FULL):
            leash.flush()
        leash.emit(StreamEvent("agent.message", "second"))
        leash.flush()
    assert said(world, run.id) == ["first", "second"]


def test_5_an_agent_does_not_wait_for_a_graph_that_cannot_be_written(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def talkative(leash: Leash) -> None:
        with away("store.before_commit", FULL) as failed:
            leash.emit(*(StreamEvent("agent.message", str(n)) for n in range(100)))
            assert failed == []

    world.bench.during = talkative
    world.deliver()
    assert world.run(run.id).step is Step.CHECK
    assert said(world, run.id) == ["hello", *map(str, range(100))]


def test_5_the_heart_does_not_wait_for_a_finish_that_writes_the_stream_itself(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        leash.emit(StreamEvent("agent.message", "first"))
        with leash.gathered() as batch:
            leash.flush()
        assert [e.text for e in batch] == ["first"]
    assert said(world, run.id) == []


# ---- the finish


def pausing(world: World, act: Callable[[], object]) -> list[float]:
    """Let the worker act in every pause between two tries; the pauses are told."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert len(pauses) < 100_000, "it tries for ever"
        world.clock.tick(seconds)
        act()

    w1 = world.workers["w1"]
    world.workers["w1"] = replace(w1, desk=replace(w1.desk, pause=pause))
    return pauses


@pytest.mark.parametrize(("point", "skip"), [("finish.in_transaction", 0), ("store.before_commit", 1)])
@pytest.mark.parametrize("error", [LOCKED, FULL], ids=["locked", "full"])
def test_5_a_finish_that_cannot_be_written_is_written_later_and_the_turn_is_not_done_again(
    world: World, point: str, skip: int, error: StoreError
) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    pauses = pausing(world, lambda: None)
    with away(point, error, times=7, skip=skip) as failed:
        world.deliver()
    assert (len(failed), len(pauses)) == (7, 7)
    assert pauses == sorted(pauses)
    assert pauses[-1] == AGAIN_S
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.bench.agents) == 1
    assert said(world, run.id) == ["hello"]


def test_5_the_heart_keeps_the_claim_of_a_finish_that_waits(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    beats = []

    def beat() -> None:
        world.workers["w1"].pulse.beat()
        beats.append(world.run(run.id).beat)

    pausing(world, beat)
    with away("finish.in_transaction", LOCKED, times=3):
        world.deliver()
    assert beats == [1, 2, 3]


def test_5_a_finish_is_not_tried_after_the_claim_was_lost(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def robbed() -> None:
        if world.run(run.id).state is RunState.RUNNING:
            rob(world, run.id)
        world.workers["w1"].pulse.beat()

    pauses = pausing(world, robbed)
    with away("finish.before_transaction", LOCKED) as failed:
        world.deliver()
    assert len(pauses) == 1  # the heart has learnt it: it does not even look again
    assert len(failed) == 1
    assert not coded(world, run.id)
    assert said(world, run.id) == []


def test_5_a_finish_that_waited_is_fenced_by_its_token(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    pausing(world, lambda: rob(world, run.id))  # and the heart has not seen it yet
    with away("finish.in_transaction", LOCKED, times=1):
        world.deliver()
    assert not coded(world, run.id)
    assert said(world, run.id) == []


def test_5_a_finish_is_tried_no_longer_than_its_claim_is_kept_alive(world: World) -> None:
    run = world.start()
    pauses = pausing(world, lambda: None)
    with pytest.raises(AwayError), away("finish.in_transaction", LOCKED):
        world.deliver()
    assert world.run(run.id).step is Step.PLAN
    assert DEADLINES_S[Step.PLAN] <= sum(pauses) <= DEADLINES_S[Step.PLAN] + AGAIN_S


def test_5_what_will_not_pass_is_not_tried_again(world: World) -> None:
    run = world.start()
    pauses = pausing(world, lambda: None)
    error = StoreError(run.id, "an outcome is on record already")
    with pytest.raises(StoreError, match="on record already"), away("finish.in_transaction", error):
        world.deliver()
    assert pauses == []


def test_5_a_step_that_met_a_full_graph_waits_for_room(world: World) -> None:
    run = world.start()
    world.change(budget_micros=100)
    world.pump_until(run.id, Step.CODE)
    with away("store.before_commit", FULL, times=1, skip=1):  # at the reserve of its budget
        world.deliver()
    waiting = world.run(run.id)
    assert (waiting.state, waiting.wait) == (RunState.WAITING, Wait.DISK)
    with world.graph.read() as tx:
        assert [a.failure for a in tx.runs.attempts(run.id)] == [Failure.DISK_FULL]
    world.clock.tick(61)
    world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


# ---- a graph that is away in the midst of a step


def test_5_a_step_that_could_not_read_the_graph_is_done_again_and_is_no_defect(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world.start()
    world.pump_until(run.id, Step.EVIDENCE)
    put = world.shelf.put
    gone = [LOCKED, LOCKED]

    def away_once(run_id: str, name: str, content: bytes) -> str:
        if gone:
            raise gone.pop()
        return put(run_id, name, content)

    monkeypatch.setattr(world.shelf, "put", away_once)
    for _ in range(2):
        world.deliver()
        assert (world.run(run.id).state, world.run(run.id).step) == (RunState.QUEUED, Step.EVIDENCE)
        world.clock.tick(3600)
        world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    with world.graph.read() as tx:
        assert {a.failure for a in tx.runs.attempts(run.id)} == {Failure.WORKER_LOST}
