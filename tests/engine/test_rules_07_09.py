"""Rules 7 to 9: the two clocks of liveness, the sweep, and the run's lock before anything acts."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from loopy.domain import crashpoints
from loopy.domain.agent import Tried
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import DEADLINES_S, LEASE_S
from loopy.engine.takeover import free_silent
from loopy.store import schema as s
from tests.engine.acts import flag, rob, take
from tests.engine.world import World

# ---- rule 7: two clocks


def test_7_a_dead_owner_is_freed_at_once_however_young_its_lease(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    world.hire("w2")
    world.gone.add("w2")
    world.sweep().once()
    assert (world.run(run.id).state, world.run(run.id).owner) == (RunState.QUEUED, None)


def test_7_a_dead_owners_file_is_removed_only_after_its_row_is_closed(world: World) -> None:
    open_rows: list[list[str]] = []

    def note(_worker: str) -> None:
        with world.graph.read() as tx:
            open_rows.append([w.id for w in tx.fleet.workers()])

    world.burying = note
    world.hire("w2")
    world.gone.add("w2")
    world.sweep().once()
    assert (world.buried, open_rows) == (["w2"], [["w1"]])


def test_7_a_redelivery_before_any_sweep_finds_the_owner_dead_and_goes_on(world: World) -> None:
    run = world.start()
    message = world.bell.messages[0]
    world.hire("w2")
    take(world, run.id, "w2")
    world.gone.add("w2")
    world.bell.messages = [message]
    world.deliver("w1")
    assert world.run(run.id).step is Step.SIZE


def test_7_a_silent_owner_is_freed_after_a_lease_that_was_watched(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")  # its kernel lock is held all the time: the lock makes takeover earlier, never later
    sweep = world.sweep()
    for _ in range(int(LEASE_S) - 1):
        sweep.once()
        world.clock.tick(1)
    assert world.run(run.id).state is RunState.RUNNING
    for _ in range(3):
        world.clock.tick(1)
        sweep.once()
    assert world.run(run.id).state is RunState.QUEUED


def test_7_a_jump_of_the_wall_clock_steals_nothing(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    sweep = world.sweep()
    sweep.once()
    world.clock.wall += timedelta(days=3650)
    sweep.once()
    assert world.run(run.id).state is RunState.RUNNING


def test_7_a_wall_clock_that_is_set_back_keeps_nobody_alive(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    sweep = world.sweep()
    for _ in range(40):
        world.clock.tick(1)
        world.clock.wall -= timedelta(seconds=100)
        sweep.once()
    assert world.run(run.id).owner is None


def test_7_a_gap_in_which_the_observer_itself_slept_counts_two_seconds(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    watch = LeaseWatch(world.clock)
    watch.look([world.run(run.id)])
    world.clock.tick(3600)
    assert watch.look([world.run(run.id)]) == []


def test_7_a_new_owner_is_not_blamed_for_the_silence_of_the_old_one(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    watch = LeaseWatch(world.clock)
    for _ in range(28):
        world.clock.tick(1)
        watch.look([world.run(run.id)])
    rob(world, run.id)
    take(world, run.id, "w3")
    for _ in range(5):
        world.clock.tick(1)
        assert watch.look([world.run(run.id)]) == []


def test_7_a_beat_resets_the_silence_and_stops_at_the_deadline(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    performer = world.workers["w1"]
    watch = LeaseWatch(world.clock)
    with performer.pulse.leash(held) as leash:
        for _ in range(60):
            world.clock.tick(1)
            performer.pulse.beat()
            assert watch.look([world.run(run.id)]) == []
        leash.deadline = world.clock.awake()
        silent: list[object] = []
        for _ in range(60):
            world.clock.tick(1)
            performer.pulse.beat()
            silent = silent or list(watch.look([world.run(run.id)]))
        assert silent


def test_7_the_deadline_of_a_step_is_set_when_it_is_claimed(world: World) -> None:
    held = take(world, world.start().id)
    with world.workers["w1"].pulse.leash(held) as leash:
        assert leash.deadline == world.clock.awake() + DEADLINES_S[Step.PLAN]


def test_7_all_claims_of_a_process_share_one_heartbeat(world: World) -> None:
    held = [take(world, world.start(f"t{n}").id) for n in range(3)]
    pulse = world.workers["w1"].pulse
    with pulse.leash(held[0]), pulse.leash(held[1]), pulse.leash(held[2]):
        world.graph.written.clear()
        pulse.beat()
        assert len(world.graph.written) == 1
        assert [world.run(h.run.id).beat for h in held] == [1, 1, 1]


def test_7_an_owner_learns_at_its_next_beat_that_it_was_robbed(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    pulse = world.workers["w1"].pulse
    with pulse.leash(held) as leash:
        rob(world, run.id)
        pulse.beat()
        assert leash.stopping() == "lost"


def test_7_the_heart_outlives_any_surprise(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    pulse = world.workers["w1"].pulse
    surprised: list[str] = []

    def surprise(point: str) -> None:
        if point == "pulse.after_beat" and not surprised:
            surprised.append(point)
            raise RuntimeError("nobody thought of this")

    crashpoints.install(surprise)
    pulse.start()
    try:
        with pulse.leash(held):
            assert _comes_true(lambda: world.clock.tick(1.1) or (bool(surprised) and world.run(run.id).beat >= 3))
    finally:
        pulse.stop()
        crashpoints.install(None)


def _comes_true(holds: Callable[[], bool], patience_s: float = 20.0) -> bool:
    give_up = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.05)
    return True


def test_7_a_run_freed_for_silence_only_if_it_is_still_as_it_was_seen(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    seen = world.run(run.id)
    with world.graph.write() as tx:
        tx.runs.beat("w1", [held])
    assert free_silent(world.desk("w1"), seen) == []
    assert world.run(run.id).state is RunState.RUNNING


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
    assert len([c for c in world.cleared if c[0] == run.id]) == 3  # code, check, ship
    tokens = [token for _, token in world.cleared]
    assert tokens == sorted(set(tokens))
    assert acted == [(0, 0, 0), (1, 1, 0), (2, 1, 0)]


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
