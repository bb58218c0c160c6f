"""Rules 4 to 6: outcomes and attempts, the finish, and ringing again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from loopy.domain import crashpoints
from loopy.domain.agent import Tried
from loopy.domain.errors import LostError, StoreError
from loopy.domain.failures import Failure
from loopy.domain.plan import Sized, SizeName
from loopy.domain.states import RunState, Segment, Step, Verdict
from loopy.engine.claims import finish
from loopy.engine.decide import Facts
from loopy.engine.order import RING_BACKOFF_S
from loopy.engine.takeover import free_dead
from loopy.ports import Leash
from tests.engine.acts import BRANCH, rob, take
from tests.engine.fakes import a_change
from tests.engine.world import World

# ---- rule 4: outcomes are final, tries are attempts


def test_4_an_outcome_is_written_once(world: World) -> None:
    run = world.start()
    outcome = Sized(size=SizeName.SMALL, points=1, reasons=())
    with world.graph.write() as tx:
        tx.runs.add_outcome(replace(run, step=Step.SIZE), outcome)
    with pytest.raises(StoreError), world.graph.write() as tx:
        tx.runs.add_outcome(replace(run, step=Step.SIZE), outcome)


def test_4_a_limit_is_an_attempt_and_never_an_outcome(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is None
        assert [a.failure for a in tx.runs.attempts(run.id)] == [Failure.QUOTA]


def test_4_crashes_cancels_and_deaths_are_attempts(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.AGENT_CRASH)]
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.deliver()
    take(world, run.id, "w2")
    free_dead(world.desk("w1"), "w2")

    def cancelled(leash: Leash) -> None:
        world.intake.cancel("LP-1", "tester")
        world.workers["w1"].pulse.beat()
        assert leash.stopping() == "cancelled"

    world.bench.during = cancelled
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is None
        failures = [a.failure for a in tx.runs.attempts(run.id)]
    assert failures == [Failure.AGENT_CRASH, Failure.WORKER_LOST, Failure.CANCELLED]


def test_4_a_rebase_is_a_turn_from_check(world: World) -> None:
    world.bench.rebased = a_change(7, base="c" * 40)
    world.bench.tip_commit = "b" * 40
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert (ended.verdict, ended.turn, ended.tree) == (Verdict.PASSED, 2, a_change(7).tree)
    assert len(world.bench.agents) == 1
    with world.graph.read() as tx:
        steps = [(turn, step) for turn, step, _ in tx.runs.outcomes(run.id) if step in (Step.CODE, Step.CHECK)]
    assert steps == [(1, Step.CODE), (1, Step.CHECK), (2, Step.CODE), (2, Step.CHECK)]


def test_4_a_ship_that_was_sent_back_with_a_conflict_is_a_turn_of_the_agent(world: World) -> None:
    world.bench.rebased = None
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).turn) == (Verdict.PASSED, 2)
    assert len(world.bench.agents) == 2


def test_4_a_retry_by_a_person_leaves_the_old_run_as_it_ended(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    run = world.start()
    world.pump()
    before = world.run(run.id)
    fork = world.intake.retry("LP-1", "tester", Step.CODE)
    world.pump()
    assert (fork.id, world.run(fork.id).forked_from) == ("LP-1.2", run.id)
    assert world.run(run.id) == before


# ---- rule 5: finish is one transaction


@contextmanager
def power_cut(point: str) -> Iterator[None]:
    """Roll back whatever transaction comes to the point."""

    def broken(reached: str) -> None:
        if reached == point:
            raise LostError("test", "power cut")

    crashpoints.install(broken)
    try:
        yield
    finally:
        crashpoints.install(None)


@pytest.mark.parametrize("point", ["finish.in_transaction", "store.before_commit"])
def test_5_outcome_position_and_event_come_together_or_not_at_all(world: World, point: str) -> None:
    run = world.start()
    held = take(world, run.id)
    outcome = Sized(size=SizeName.SMALL, points=1, reasons=())
    with pytest.raises(LostError, match="power cut"), power_cut(point), world.graph.write() as tx:
        finish(tx, held, outcome, Facts(tx.now), lambda run, _move: run)
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.PLAN) is None
    now = world.run(run.id)
    assert (now.state, now.step) == (RunState.RUNNING, Step.PLAN)
    assert world.names(run.id) == ["run.created", "run.queued", "step.claimed"]


def test_5_a_worker_that_dies_in_the_finish_leaves_nothing_of_it(world: World) -> None:
    run = world.start()
    with world.dying("finish.in_transaction"):
        world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.PLAN) is None
    now = world.run(run.id)
    assert (now.state, now.step) == (RunState.RUNNING, Step.PLAN)


def test_5_every_transition_has_its_event_and_the_numbers_have_no_gap(world: World) -> None:
    world.bench.reports = [False, True]
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    versions = [e.version for e in world.graph.events(0, run.id, 10_000) if e.version is not None]
    assert versions == list(range(world.run(run.id).version + 1))


def test_5_the_cancel_flag_is_honoured_in_the_finish(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.bench.during = lambda _leash: world.intake.cancel("LP-1", "tester").clear()
    world.deliver()
    now = world.run(run.id)
    assert (now.segment, now.verdict) == (Segment.FINISH, Verdict.ABORTED)


# ---- rule 6: re-ring


def test_6_an_unheard_run_is_rung_again_under_the_same_epoch_and_ever_more_slowly(world: World) -> None:
    world.bell.deaf = True
    run = world.start()
    world.bell.deaf = False
    sweep, rings = world.sweep(), []
    for second in range(30):
        world.clock.tick(1)
        if sweep.once():
            rings.append(second + 1)
    assert {m[1] for m in world.bell.messages} == {1}
    assert world.run(run.id).epoch == 1
    gaps = [b - a for a, b in itertools.pairwise(rings)]
    assert len(rings) >= 3
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0]


def test_6_a_ring_under_way_stays_good_when_it_is_rung_again(world: World) -> None:
    run = world.start()
    world.clock.tick(60)
    world.sweep().once()
    assert len(world.bell.messages) == 2
    world.deliver(at=0)
    assert world.run(run.id).step is Step.SIZE


def test_6_a_death_rings_all_that_is_unclaimed_at_once_for_the_dead_may_have_had_the_ring_in_hand(world: World) -> None:
    run = world.start()
    world.bell.messages.clear()
    world.hire("w2")
    world.sweep("w2").once()
    assert world.bell.messages == []
    world.gone.add("w1")
    world.sweep("w2").once()
    assert [m[:2] for m in world.bell.messages] == [(run.id, 1)]
    world.sweep("w2").once()
    assert len(world.bell.messages) == 1


def test_6_nobody_is_rung_for_a_queue_that_no_living_worker_serves(world: World) -> None:
    run = world.start()
    world.bell.messages.clear()
    world.fire("w1")
    world.hire("w2", queues=("control",))
    world.clock.tick(60)
    world.sweep("w2").once()
    assert world.bell.messages == []
    assert world.run(run.id).rings == 0


def test_6_a_finish_within_the_segment_resets_the_pace(world: World) -> None:
    run = world.start()
    world.bell.messages.clear()
    for _ in range(10):
        world.clock.tick(5)
        world.sweep().once()
    assert world.run(run.id).rings > 1
    world.deliver()
    assert world.run(run.id).rings == 0


def test_6_a_freed_run_is_rung_at_once_and_its_pace_begins_anew(world: World) -> None:
    run = world.start()
    for _ in range(10):
        world.clock.tick(5)
        world.sweep().once()
    take(world, run.id, "w2")
    world.bell.messages.clear()
    freed = rob(world, run.id)
    assert freed.rings == 0
    assert freed.rung_at is not None
    assert (world.clock.now() - freed.rung_at).total_seconds() >= RING_BACKOFF_S
    world.sweep().once()
    assert [m[1] for m in world.bell.messages] == [1]
