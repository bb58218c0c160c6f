"""Rules 1 to 3: dispatch, claim and fence, and what a redelivery does to its chain."""

from __future__ import annotations

import pytest

from loopy.domain.errors import LostError
from loopy.domain.run import Claim, Run
from loopy.domain.states import RunState, Segment, Step
from loopy.engine import moves
from loopy.engine.claims import Superseded, claim, mine
from loopy.engine.spending import reserve
from loopy.ports import Leash
from tests.engine.acts import rob, take
from tests.engine.world import World

# ---- rule 1: dispatch


def test_1_a_dispatch_sets_position_epoch_and_queued_and_then_rings(world: World) -> None:
    run = world.start()
    now = world.run(run.id)
    assert (now.state, now.segment, now.step, now.epoch) == (RunState.QUEUED, Segment.PREPARE, Step.PLAN, 1)
    assert world.bell.messages == [(run.id, 1, ("plan", "size", "route"))]


def test_1_a_ring_comes_after_the_commit(world: World) -> None:
    heard: list[Run] = []
    world.bell.heard = lambda run_id: heard.append(world.run(run_id))
    run = world.start()
    world.pump()
    assert [(r.state, r.segment, r.epoch) for r in heard] == [
        (RunState.QUEUED, Segment.PREPARE, 1),
        (RunState.QUEUED, Segment.TURN, 2),
        (RunState.QUEUED, Segment.FINISH, 3),
    ]
    assert world.run(run.id).epoch == 3


def test_1_a_lost_ring_leaves_the_run_queued_for_the_sweep(world: World) -> None:
    world.bell.deaf = True
    run = world.start()
    assert world.run(run.id).state is RunState.QUEUED


def test_1_a_move_within_a_segment_keeps_the_epoch(world: World) -> None:
    run = world.start()
    world.deliver()
    assert (world.run(run.id).step, world.run(run.id).epoch) == (Step.SIZE, 1)
    world.pump_until(run.id, Step.CODE)
    assert world.run(run.id).epoch == 2


# ---- rule 2: claim and fence


def test_2_a_claim_matches_state_run_step_epoch_and_owner(world: World) -> None:
    run = world.start()
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, Step.PLAN, 0, "w1", "h"), Superseded)
        assert isinstance(claim(tx, run.id, Step.SIZE, 1, "w1", "h"), Superseded)
        assert isinstance(claim(tx, "LP-1.9", Step.PLAN, 1, "w1", "h"), Superseded)
        assert isinstance(claim(tx, run.id, Step.PLAN, 1, "w1", "h"), Claim)
        assert isinstance(claim(tx, run.id, Step.PLAN, 1, "w2", "h"), Superseded)


def test_2_what_waits_or_is_ready_is_not_claimed(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    waiting = world.run(run.id)
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, waiting.step, waiting.epoch, "w1", "h"), Superseded)
    world.fire("w1")  # nobody can serve it now
    world.intake.answer(run.id, "approve", "person:me")
    assert world.run(run.id).state is RunState.READY
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, waiting.step, waiting.epoch, "w1", "h"), Superseded)


def test_2_the_token_grows_at_every_change_of_owner(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    freed = rob(world, run.id)
    again = take(world, run.id)
    assert held.token < freed.token < again.token
    with world.graph.write() as tx:
        finished = moves.onward(tx, mine(tx, again), Step.SIZE, token=again.token + 1)
    assert finished.token > again.token


def test_2_every_claim_and_every_finish_takes_the_next_token(world: World) -> None:
    run = world.start()
    world.pump()
    transitions = [e for e in world.graph.events(0, run.id, 10_000) if e.version is not None]
    claimed = [n for n, e in enumerate(transitions) if e.name == "step.claimed"]
    assert len(claimed) == 7  # every step but the failover
    for n in claimed:
        before, at, after = (transitions[m].facts["token"] for m in (n - 1, n, n + 1))
        assert (at, after) == (int(str(before)) + 1, int(str(before)) + 2)


def test_2_a_cancel_takes_the_next_token(world: World) -> None:
    run = world.start()
    before = world.run(run.id).token
    world.intake.cancel("LP-1", "tester")
    assert world.run(run.id).token > before


def test_2_a_stale_token_writes_nothing(world: World) -> None:
    run = world.start()
    stale = take(world, run.id)
    rob(world, run.id)
    take(world, run.id)
    with pytest.raises(LostError), world.graph.write() as tx:
        mine(tx, stale)
    with pytest.raises(LostError), world.graph.write() as tx:
        tx.runs.stream(stale, [])
    with world.graph.write() as tx:
        assert tx.runs.beat("w1", [stale]) == {}


def test_2_a_stale_token_moves_no_budget(world: World) -> None:
    world.change(budget_micros=100)
    run = world.start()
    stale, desk = take(world, run.id), world.desk("w1")
    rob(world, run.id)
    take(world, run.id)
    with pytest.raises(LostError):
        reserve(desk, stale, world.law, world.known["a"])


def test_2_a_stale_token_intends_no_effect(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)

    def robbed() -> None:
        rob(world, run.id)

    world.bench.committing = robbed
    world.deliver()
    with world.graph.read() as tx:
        assert tx.effects.of(run.id) == []
    assert world.forge.log == []


def test_2_a_freed_claim_is_stale_before_anybody_takes_it(world: World) -> None:
    run = world.start()
    stale = take(world, run.id)
    rob(world, run.id)
    with pytest.raises(LostError), world.graph.write() as tx:
        mine(tx, stale)


def test_2_a_performer_whose_claim_was_taken_writes_no_outcome(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def robbed(_leash: Leash) -> None:
        rob(world, run.id)

    world.bench.during = robbed
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is None


def test_2_a_performer_whose_claim_another_took_over_writes_no_outcome(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def robbed(_leash: Leash) -> None:
        rob(world, run.id)
        take(world, run.id, "w2")

    world.bench.during = robbed
    world.deliver()
    now = world.run(run.id)
    assert (now.state, now.step, now.owner) == (RunState.RUNNING, Step.CODE, "w2")


# ---- rule 3: what a redelivery does to its chain


def test_3_a_delivery_behind_the_position_lets_its_chain_go_on(world: World) -> None:
    run = world.start()
    message = world.bell.messages[0]
    world.deliver()
    world.bell.messages = [message]
    world.deliver()
    assert world.bell.messages == [(run.id, 1, ("size", "route"))]


def test_3_any_other_mismatch_cuts_the_chain(world: World) -> None:
    run = world.start()
    message = world.bell.messages[0]
    world.pump_until(run.id, Step.CODE)
    world.bell.messages = [message]
    world.deliver()
    assert world.bell.messages == []


@pytest.mark.parametrize(
    ("steps", "epoch"), [(("size", "route"), 1), (("plan", "size", "route"), 1), (("code", "check"), 1), (("plan",), 2)]
)
def test_3_a_delivery_at_or_ahead_of_a_taken_position_cuts_its_chain(
    world: World, steps: tuple[str, ...], epoch: int
) -> None:
    run = world.start()
    held = take(world, run.id, "w2")
    world.bell.messages = [(run.id, epoch, steps)]
    world.deliver()
    assert world.bell.messages == []
    assert world.run(run.id).token == held.token


def test_3_a_delivery_of_an_older_dispatch_cuts_its_chain(world: World) -> None:
    world.bench.reports = [False]
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    message = world.bell.messages[0]
    while world.run(run.id).turn == 1:
        world.deliver()
    world.deliver()
    assert (world.run(run.id).turn, world.run(run.id).step) == (2, Step.CHECK)
    world.bell.messages = [message]
    world.deliver()
    assert world.bell.messages == []
