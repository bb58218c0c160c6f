"""Rules 13 and 14: cancel and approval."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from loopy.domain.agent import Tried
from loopy.domain.errors import RefusedError
from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine.claims import Superseded, claim
from loopy.engine.takeover import free_dead
from loopy.store import schema as s
from tests.engine.acts import BRANCH, flag, receipt, take
from tests.engine.fakes import a_change
from tests.engine.world import World

# ---- rule 13: cancel


def test_13_a_cancelled_run_is_claimed_only_in_finish(world: World) -> None:
    run = world.start()
    flag(world, run.id)
    now = world.run(run.id)
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, now.step, now.epoch, "w1", "h"), Superseded)
    world.sweep().once()
    world.pump()
    ended = world.run(run.id)
    assert (ended.state, ended.verdict) == (RunState.ENDED, Verdict.ABORTED)


def test_13_cancel_before_the_first_intent_ships_nothing(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.intake.cancel("LP-1", "tester")
    world.pump()
    assert world.run(run.id).verdict is Verdict.ABORTED
    assert world.forge.log == []


def test_13_cancel_in_the_very_ship_step_but_before_its_intent_ships_nothing(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.bench.committing = lambda: world.intake.cancel("LP-1", "tester").clear()
    world.pump()
    assert (world.run(run.id).verdict, world.forge.log) == (Verdict.ABORTED, [])


def test_13_cancel_after_the_first_intent_does_not_unsay_the_ship(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.before_push = lambda: world.intake.cancel("LP-1", "tester").clear()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_13_an_owner_sees_the_cancel_at_its_next_beat(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    performer = world.workers["w1"]
    with performer.pulse.leash(held) as leash:
        world.intake.cancel("LP-1", "tester")
        assert world.run(run.id).state is RunState.RUNNING
        performer.pulse.beat()
        assert leash.stopping() == "cancelled"


def test_13_a_freed_run_that_was_cancelled_goes_to_its_end(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    world.intake.cancel("LP-1", "tester")
    free_dead(world.desk("w1"), "w2")
    assert (world.run(run.id).segment, world.run(run.id).verdict) == (Segment.FINISH, Verdict.ABORTED)


def test_13_a_cancel_between_evidence_and_ship_does_not_rewrite_the_evidence(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    before = dict(world.shelf.kept)
    world.clock.tick(5)
    world.intake.cancel("LP-1", "tester")
    now = world.run(run.id)
    assert (now.segment, now.step, now.verdict) == (Segment.FINISH, Step.SHIP, Verdict.ABORTED)
    world.pump()
    assert world.shelf.kept == before
    assert receipt(world, run.id)["verdict"] == "ABORTED"


def test_13_a_cancel_of_a_failed_run_leaves_it_failed(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.intake.cancel("LP-1", "tester")
    world.pump()
    assert world.run(run.id).verdict is Verdict.FAILED


@pytest.mark.parametrize("step", [Step.PLAN, Step.CODE, Step.FAILOVER, Step.EVIDENCE, Step.SHIP])
def test_13_every_cancelled_end_has_evidence_and_a_receipt(world: World, step: Step) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump_until(run.id, step)
    world.intake.cancel("LP-1", "tester")
    world.pump()
    ended = world.run(run.id)
    assert (ended.state, ended.verdict, ended.reason) == (RunState.ENDED, Verdict.ABORTED, Failure.CANCELLED)
    assert (run.id, "evidence.json") in world.shelf.files
    assert receipt(world, run.id)["reason"] == "cancelled"


def test_13_a_cancel_while_the_evidence_waits_for_space_still_packs_it(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.EVIDENCE)
    world.shelf.full = True
    world.deliver()
    assert (world.run(run.id).step, world.run(run.id).wait) == (Step.EVIDENCE, Wait.DISK)
    world.shelf.full = False
    world.intake.cancel("LP-1", "tester")
    world.pump()
    assert world.run(run.id).verdict is Verdict.ABORTED
    assert (run.id, "evidence.json") in world.shelf.files


def test_13_a_worker_that_drains_in_a_push_hands_it_back_even_when_it_is_cancelled_too(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    pulse, world.forge.lose_reply = world.workers["w1"].pulse, True
    world.forge.before_push = pulse.draining.set

    def cancelled() -> None:
        if pulse.draining.is_set() and not world.run(run.id).cancel:
            world.intake.cancel("LP-1", "tester")
            pulse.beat()

    world.ruling = cancelled
    world.deliver()
    world.ruling = lambda: None
    assert world.run(run.id).state is RunState.QUEUED
    world.forge.before_push, world.forge.lose_reply = (lambda: None), False
    world.hire("w2")
    world.clock.tick(5)
    world.sweep("w2").once()
    world.pump("w2")
    assert (world.run(run.id).verdict, len(world.forge.log)) == (Verdict.PASSED, 1)


# ---- rule 14: approval


def test_14_the_first_answer_wins(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:one")
    with pytest.raises(RefusedError, match="person:one"):
        world.intake.answer(run.id, "reject", "person:two")


def test_14_the_answer_the_audit_and_ready_come_together_or_not_at_all(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    with world.dying("store.before_commit"):
        world.intake.answer(run.id, "approve", "person:me")
    with world.graph.read() as tx:
        assert [a.answer for a in tx.approvals.of(run.id)] == [None]
        assert "approval.approve" not in tx.connection.scalars(select(s.audit.c.what)).all()
    assert world.run(run.id).wait is Wait.APPROVAL
    world.graph.written.clear()
    world.intake.answer(run.id, "approve", "person:me")
    assert world.graph.written == [True]  # one transaction, and it survives a power cut
    with world.graph.read() as tx:
        assert "approval.approve" in tx.connection.scalars(select(s.audit.c.what)).all()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_14_an_approval_is_bound_to_the_diff_the_plan_and_the_policy(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    with world.graph.write() as tx:
        tx.connection.execute(update(s.approval).values(subject="0" * 64))  # of another diff
    world.pump()
    assert world.forge.log == []
    assert world.run(run.id).verdict is not Verdict.PASSED


def test_14_an_approval_does_not_outlive_a_change_of_policy(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.change(turns=3)
    world.pump()
    assert (world.forge.log, world.run(run.id).verdict) == ([], Verdict.FAILED)


def test_14_an_equal_digest_carries_the_approval_over_a_rebase(world: World) -> None:
    world.change(approve="always")
    world.bench.turns = [a_change(5)]
    world.bench.rebased = a_change(5)
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    world.clock.tick(1)
    world.intake.answer(run.id, "approve", "person:me")
    world.clock.tick(1)
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert receipt(world, run.id)["approvals"][0]["carried"] is True


def test_14_a_carried_approval_still_needs_green_checks(world: World) -> None:
    world.change(approve="always", turns=2)
    world.bench.turns = [a_change(5)]
    world.bench.rebased = a_change(5)
    world.bench.reports = [True, False]
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.pump()
    assert (world.run(run.id).verdict, world.forge.log) == (Verdict.FAILED, [])


def test_14_another_digest_asks_again(world: World) -> None:
    world.change(approve="always")
    world.bench.turns = [a_change(5)]
    world.bench.rebased = a_change(6)
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.pump()
    assert (world.run(run.id).wait, world.forge.log) == (Wait.APPROVAL, [])


def test_14_the_before_run_gate_asks_again_for_another_plan(world: World) -> None:
    world.change(approve_run=True)
    world.bench.reports = [False, False]
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.clock.tick(1)
    with world.graph.write() as tx:  # by the time it plans again, the ticket says something else
        tx.tickets.change("LP-1", title="Fix something else")
    world.pump()
    again = world.run(run.id)
    assert (again.turn, again.wait, again.step) == (3, Wait.APPROVAL, Step.CODE)
    assert len(world.bench.agents) == 2


def test_14_a_fork_does_not_slip_past_the_before_run_gate(world: World) -> None:
    world.change(approve_run=True)
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "reject", "person:me")
    world.pump()
    fork = world.intake.retry("LP-1", "tester", Step.CODE)
    world.pump()
    assert (world.bench.agents, world.run(fork.id).verdict) == ([], Verdict.REFUSED)


def test_14_a_fork_on_the_same_base_plan_and_policy_keeps_the_answer(world: World) -> None:
    world.change(approve_run=True, turns=1)
    world.bench.reports = [False]
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.pump()
    fork = world.intake.retry("LP-1", "tester", Step.CODE)
    world.pump()
    assert world.run(fork.id).verdict is Verdict.PASSED
