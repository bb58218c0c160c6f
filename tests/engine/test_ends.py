"""Ends and refusals that the rules' tests pass by: each is one answer of the table of next moves, or of the front desk."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loopy.domain.agent import Tried
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.errors import NotFoundError, RefusedError
from loopy.domain.failures import Failure
from loopy.domain.outcome import Rebased
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict
from loopy.domain.ticket import RunId, TicketId
from loopy.engine.decide import Facts, decide
from tests.engine.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_run(segment: Segment, step: Step, **facts: object) -> Run:
    where = {"state": RunState.RUNNING, "segment": segment, "step": step, "turn": 1, "epoch": 1, "token": 1}
    named = {"id": RunId("LP-1.1"), "ticket": TicketId("LP-1"), "repo": "/srv/repo", "version": 1, "created_at": NOW}
    return Run(**(named | where | facts))  # type: ignore[arg-type]


def test_a_report_without_any_check_never_passes() -> None:
    move = decide(a_run(Segment.TURN, Step.CHECK), CheckReport(tree="t", results=()), Facts(NOW))
    assert (move.how, move.verdict, move.reason) == ("finish", Verdict.FAILED, Failure.CHECKS_FAILED)


def test_a_defect_in_the_ship_step_itself_ends_the_run_bare_and_does_not_loop() -> None:
    run = a_run(Segment.FINISH, Step.SHIP, verdict=Verdict.PASSED)
    move = decide(run, Tried(failure=Failure.INTERNAL, detail="?"), Facts(NOW, tries=99))
    assert (move.how, move.verdict, move.changes["bare"]) == ("end", Verdict.FAILED, True)


@pytest.mark.parametrize("facts", [{"turn": 4}, {"cancel": True}])
def test_a_refused_push_ends_a_run_that_has_no_turn_left_or_is_cancelled(facts: dict[str, object]) -> None:
    run = a_run(Segment.FINISH, Step.SHIP, **facts)
    moved = Change(base="b", tree="t", digest="d")
    move = decide(run, Rebased(base="b", change=moved, detail="stale info"), Facts(NOW, turns=4))
    assert (move.how, move.verdict, move.reason) == ("end", Verdict.FAILED, Failure.CONFLICT)


def test_a_worker_that_is_closing_claims_nothing(world: World) -> None:
    run = world.start()
    world.workers["w1"].pulse.closing.set()
    world.pump("w1")
    assert world.run(run.id).state is RunState.QUEUED


def test_a_retry_begins_where_the_old_run_can_be_taken_up_or_not_at_all(world: World) -> None:
    run = world.start()
    with pytest.raises(RefusedError):
        world.intake.close(run.ticket, "p")
    world.intake.cancel(run.ticket, "p")
    world.pump("w1")
    world.sweep("w1").once()
    world.pump("w1")
    for step in (Step.SHIP, Step.CODE):  # the first is no beginning, and of the second it never came to a route
        with pytest.raises(RefusedError):
            world.intake.retry(run.ticket, "p", step)
    again = world.intake.retry(run.ticket, "p", Step.PLAN)
    assert again.forked_from == run.id


def test_an_answer_for_a_run_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(NotFoundError):
        world.intake.answer("LP-9.1", "approve", "p")
