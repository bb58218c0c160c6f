"""Rule 13, whoever loses its owner with the flag set: freeing and finishing honour it in their own transaction."""

from __future__ import annotations

from loopy.domain.states import RunState, Segment, Step, Verdict
from loopy.engine.takeover import free_dead
from tests.engine.acts import kill_again_and_again, take
from tests.engine.world import World


def test_13_a_step_that_ends_without_having_seen_the_cancel_sends_the_run_to_its_end(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.bench.during = lambda _leash: world.intake.cancel("LP-1", "tester").clear()
    world.deliver()
    now = world.run(run.id)
    assert (now.segment, now.step, now.verdict) == (Segment.FINISH, Step.EVIDENCE, Verdict.ABORTED)
    assert now.state in (RunState.READY, RunState.QUEUED)
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is not None  # what was done stays on record
    world.pump()
    assert world.run(run.id).state is RunState.ENDED


def test_13_a_suspect_that_is_freed_with_the_flag_set_goes_to_its_end_and_not_back_to_its_step(world: World) -> None:
    run = world.start()
    kill_again_and_again(world, run.id, 1)
    take(world, run.id, "w2")
    world.intake.cancel("LP-1", "tester")
    free_dead(world.desk("w1"), "w2")
    now = world.run(run.id)
    assert (now.segment, now.verdict) == (Segment.FINISH, Verdict.ABORTED)
