"""Rule 7: the two clocks of liveness."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from loopy.domain import crashpoints
from loopy.domain.states import RunState, Step
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import DEADLINES_S, LEASE_S
from loopy.engine.takeover import free_silent
from tests.engine.acts import rob, take
from tests.engine.world import World


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


def test_7_a_worker_that_was_robbed_and_claims_the_run_again_keeps_its_new_claim_and_loses_the_old(
    world: World,
) -> None:
    run = world.start()
    pulse = world.workers["w1"].pulse
    with pulse.leash(take(world, run.id)) as old:  # its thread is still on the way out
        rob(world, run.id)
        with pulse.leash(take(world, run.id)) as new:
            pulse.beat()
            assert (old.stopping(), new.stopping(), world.run(run.id).beat) == ("lost", None, 1)


def test_7_the_heart_outlives_any_surprise(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    pulse = world.workers["w1"].pulse
    surprised: list[str] = []

    def surprise(point: str) -> None:
        if point == "pulse.after_beat" and not surprised:
            surprised.append(point)
            raise RuntimeError("nobody thought of this")

    def beats_again() -> bool:
        world.clock.tick(1.1)
        return bool(surprised) and world.run(run.id).beat >= 3

    crashpoints.install(surprise)
    pulse.start()
    try:
        with pulse.leash(held):
            assert _comes_true(beats_again)
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
