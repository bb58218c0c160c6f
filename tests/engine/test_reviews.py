"""Independent judges: who is asked, what an objection does, and what happens when nobody answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loopy.domain.agent import Agent, AgentKind, Tried
from loopy.domain.check import CheckReport
from loopy.domain.failures import Failure
from loopy.domain.policy import Policy
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.ports import Leash
from tests.engine.world import World

YES = '{"verdict": "approve", "summary": "good"}'
NO = '{"verdict": "object", "summary": "leaks", "remarks": [{"path": "a.py", "line": 2, "text": "close the file"}]}'


@pytest.fixture
def court(world: World) -> World:
    """A world with two judges, where every change is reviewed."""
    for name, kind in (("judge", AgentKind.REVIEW), ("deputy", AgentKind.REVIEW)):
        world.known[name] = Agent(name=name, argv=(name,), kind=kind)
    world.law = Policy(sandbox="none", review="always")
    return world


def report(world: World, run_id: str, turn: int = 1) -> CheckReport:
    with world.graph.read() as tx:
        found = tx.runs.outcome(run_id, turn, Step.CHECK)
    assert isinstance(found, CheckReport)
    return found


def test_an_approval_lets_the_change_pass_and_stands_in_report_and_receipt(court: World) -> None:
    court.bench.verdicts, court.bench.cost_micros = [YES], 500
    run = court.start()
    court.pump()
    assert court.run(run.id).verdict is Verdict.PASSED
    (review,) = report(court, run.id).reviews
    assert (review.agent, review.approved, review.summary) == ("judge", True, "good")
    assert court.bench.agents == ["a", "judge"]
    with court.graph.read() as tx:
        receipt = tx.receipts.of(run.id)
    assert receipt is not None
    assert b'"reviews"' in receipt.statement
    assert b'"agent":"judge"' in receipt.statement.replace(b": ", b":")


def test_an_objection_is_the_next_turns_feedback(court: World) -> None:
    court.bench.verdicts = [NO, YES]
    run = court.start()
    court.pump()
    now = court.run(run.id)
    assert (now.verdict, now.turn) == (Verdict.PASSED, 2)
    told = [p for p in court.bench.prompts if "objects" in p]
    assert len(told) == 1
    assert "a.py:2: close the file" in told[0]


def test_objections_to_the_end_are_a_failed_run(court: World) -> None:
    court.bench.verdicts = [NO] * 10
    run = court.start()
    court.pump()
    now = court.run(run.id)
    assert (now.verdict, now.reason) == (Verdict.FAILED, Failure.CHECKS_FAILED)


def test_a_red_change_is_not_worth_a_reviewers_time(court: World) -> None:
    court.bench.reports, court.bench.verdicts = [False, True], [YES]
    court.start()
    court.pump()
    assert court.bench.agents.count("judge") == 1


def test_a_limited_reviewer_cools_and_the_next_one_is_asked(court: World) -> None:
    reset = court.clock.now() + timedelta(hours=2)
    limited = Tried(failure=Failure.QUOTA, detail="usage limit", account="judge", resets_at=reset)
    court.bench.verdicts = [limited, YES]
    run = court.start()
    court.pump()
    assert [r.agent for r in report(court, run.id).reviews] == ["deputy"]
    assert report(court, run.id).unreviewed == ()
    with court.graph.read() as tx:
        assert tx.fleet.cooldowns()["judge"].until >= reset
    court.bench.verdicts = [YES]
    again = court.start("another")
    court.pump()
    assert [r.agent for r in report(court, again.id).reviews] == ["deputy"]


def test_without_an_answer_a_change_that_must_be_reviewed_waits_and_then_asks_a_person(court: World) -> None:
    court.bench.verdicts = ["no idea"] * 8
    run = court.start()
    court.pump()
    now = court.run(run.id)
    assert (now.state, now.wait, now.step) == (RunState.WAITING, Wait.BACKOFF, Step.CHECK)
    for _ in range(2):
        court.clock.tick(3600)
        court.sweep().once()
        court.pump()
    assert court.run(run.id).wait is Wait.QUESTION
    court.bench.verdicts = [YES]
    court.intake.resume(run.id, "person:me")
    court.pump()
    assert court.run(run.id).verdict is Verdict.PASSED


def test_where_a_review_is_only_wished_for_its_lack_is_on_record(court: World) -> None:
    court.law = Policy(sandbox="none", review="risky")
    court.bench.verdicts = ["no idea"] * 2
    run = court.start()
    court.pump()
    assert court.run(run.id).verdict is Verdict.PASSED
    assert report(court, run.id).unreviewed == ("review: judge gave no verdict", "review: deputy gave no verdict")


def test_nobody_judges_its_own_work_not_even_on_another_account(court: World) -> None:
    for name in ("a", "a@work"):
        court.known[name] = Agent(name=name, argv=(name,), kind=AgentKind.REVIEW)
    del court.known["deputy"]
    court.bench.verdicts = [YES]
    run = court.start(agent="a")
    court.pump()
    assert [r.agent for r in report(court, run.id).reviews] == ["judge"]


def test_a_cancel_stops_the_reviewer_and_the_run(court: World) -> None:
    court.bench.verdicts = [Tried(failure=Failure.CANCELLED, detail="cancelled"), YES]
    run = court.start()

    def cancelled(_leash: Leash) -> None:
        if court.bench.agents[-1] == "judge":
            court.intake.cancel(run.ticket, "person:me")

    court.bench.during = cancelled
    court.pump()
    assert court.run(run.id).verdict is Verdict.ABORTED
    assert court.bench.agents == ["a", "judge"]


def test_a_reviewer_that_crashes_is_replaced_and_may_be_asked_again(court: World) -> None:
    court.bench.verdicts = [Tried(failure=Failure.AGENT_CRASH, detail="exit code 1"), YES]
    run = court.start()
    court.pump()
    assert [r.agent for r in report(court, run.id).reviews] == ["deputy"]
    with court.graph.read() as tx:
        assert tx.fleet.cooldowns() == {}
