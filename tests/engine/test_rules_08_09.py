"""Rules 8 and 9: the sweep, and the run's lock before anything acts."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import update

from loopy.domain import crashpoints
from loopy.domain.agent import Tried
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict
from loopy.engine.sweep import SweepThread
from loopy.store import schema as s
from tests.engine.acts import flag, rob, take
from tests.engine.world import World

# ---- rule 8: the sweep


def test_8_the_sweep_wakes_what_is_due_and_admits_it(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    assert world.run(run.id).state is RunState.WAITING
    world.clock.tick(3600)
    world.sweep().once()
    assert world.run(run.id).state is RunState.QUEUED


def test_8_the_sweep_sends_an_unowned_cancelled_run_to_its_end(world: World) -> None:
    run = world.start()
    flag(world, run.id)
    world.sweep().once()
    assert world.run(run.id).segment is Segment.FINISH


def test_8_the_sweep_wakes_a_cancelled_run_that_is_still_shipping(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.unreachable = True
    world.pump()
    assert world.run(run.id).state is RunState.WAITING  # intended, and nobody knows whether it arrived
    world.intake.cancel("LP-1", "tester")
    world.forge.unreachable = False
    world.clock.tick(3600)
    world.sweep().once()
    world.pump()
    assert (world.run(run.id).state, world.run(run.id).verdict) == (RunState.ENDED, Verdict.PASSED)
    assert len(world.forge.log) == 1


def test_8_two_sweeps_at_once_do_what_one_does(world: World) -> None:
    world.bell.deaf = True
    waiting = world.start("waits")
    world.bell.deaf = False
    dead = world.start("dead")
    world.hire("w2")
    take(world, dead.id, "w2")
    world.gone.add("w2")
    world.clock.tick(60)
    world.bell.messages.clear()
    one, other = world.sweep(), world.sweep()
    one.once()
    other.once()
    assert set(world.bell.messages) == {(r.id, 1, ("plan", "size", "route")) for r in (waiting, dead)}
    assert (world.run(waiting.id).rings, world.run(waiting.id).epoch) == (1, 1)
    assert world.names(dead.id).count("run.freed") == 1


def test_8_a_row_that_moved_between_the_look_and_the_act_is_left_alone(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    world.clock.tick(3600)
    first: list[str] = []

    def overtaken(point: str) -> None:
        if point == "sweep.after_free" and not first:
            first.append(point)
            world.sweep().once()
            take(world, run.id, "w2")

    crashpoints.install(overtaken)
    try:
        world.sweep().once()
    finally:
        crashpoints.install(None)
    now = world.run(run.id)
    assert (now.state, now.owner) == (RunState.RUNNING, "w2")


def test_8_the_sweep_publishes_a_receipt_that_was_not(world: World) -> None:
    run = world.start()
    world.pump()
    with world.graph.write() as tx:
        tx.connection.execute(update(s.receipt).values(pushed_at=None))  # the test's own hand
    world.clock.tick(60)
    world.sweep().once()
    with world.graph.read() as tx:
        row = tx.receipts.of(run.id)
    assert row is not None
    assert row.pushed_at is not None


def test_8_a_death_is_seen_at_once_even_when_nothing_else_happens(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    world.hire("w2")
    thread = SweepThread(world.sweep())
    thread.IDLE_LOOKS = 1_000_000  # no other look than the first, unless somebody writes or dies
    thread.start()
    try:
        time.sleep(3 * thread.PERIOD_S)
        assert world.run(run.id).owner == "w2"
        world.gone.add("w2")
        give_up = time.monotonic() + 20
        while world.run(run.id).owner and time.monotonic() < give_up:
            time.sleep(0.02)
    finally:
        thread.stop()
    assert world.run(run.id).owner is None


def test_8_an_owned_run_is_nobodys_but_its_owners(world: World) -> None:
    run = world.start()
    held = take(world, run.id, "w2")
    flag(world, run.id)
    world.clock.tick(10)
    world.sweep().once()
    now = world.run(run.id)
    assert (now.state, now.owner, now.token) == (RunState.RUNNING, "w2", held.token)


# ---- rule 9: only guards act


def test_9_the_runs_lock_is_had_before_anything_acts(world: World) -> None:
    run = world.start()
    acted: list[tuple[int, int, int]] = []
    world.clearing = lambda _run_id, _token: acted.append(
        (len(world.bench.opened), len(world.bench.agents), len(world.forge.tried))
    )
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len([c for c in world.cleared if c[0] == run.id]) == 4  # code, check, evidence, ship
    tokens = [token for _, token in world.cleared]
    assert tokens == sorted(set(tokens))
    assert acted == [(0, 0, 0), (1, 1, 0), (2, 1, 0), (3, 1, 0)]


@pytest.mark.parametrize("step", [Step.CODE, Step.CHECK, Step.SHIP])
def test_9_a_claimant_that_finds_a_newer_one_at_work_does_nothing(world: World, step: Step) -> None:
    run = world.start()
    world.pump_until(run.id, step)
    opened = len(world.bench.opened)

    def newer(run_id: str, token: int) -> None:
        raise LostError(run_id, f"token {token} is behind")

    world.clearing = newer
    world.deliver()
    assert len(world.bench.opened) == opened
    assert world.forge.tried == []
    assert world.run(run.id).state is RunState.RUNNING


def test_9_a_leash_is_authorised_only_while_its_token_is_current(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        assert leash.authorised()
        rob(world, run.id)
        assert not leash.authorised()
        assert leash.stopping() == "lost"


def test_9_a_push_whose_token_was_taken_meanwhile_is_not_sent(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)

    def robbed(point: str) -> None:
        if point == "ship.before_push":
            rob(world, run.id)

    crashpoints.install(robbed)
    try:
        world.deliver()
    finally:
        crashpoints.install(None)
    assert world.forge.log == []
    freed: Run = world.run(run.id)
    assert freed.state is RunState.QUEUED
