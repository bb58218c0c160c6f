"""The loop as a user sees it: from a ticket to a receipt, through red checks, limits, refusals and people."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport
from loopy.domain.errors import ConfigError, RefusedError
from loopy.domain.failures import Failure
from loopy.domain.held import UNBOXED, Held
from loopy.domain.policy import PathRule
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import Resolution
from tests.engine.acts import receipt
from tests.engine.fakes import a_change
from tests.engine.world import World


def test_a_ticket_becomes_a_branch_and_a_receipt(world: World) -> None:
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert (ended.state, ended.verdict) == (RunState.ENDED, Verdict.PASSED)
    assert [ref for _, ref, _ in world.forge.log] == ["refs/heads/loopy/lp-1.1-fix-it"]
    assert ended.head == world.forge.log[0][2]
    assert receipt(world, run.id)["verdict"] == "PASSED"
    assert (run.id, "evidence.json") in world.shelf.files
    assert (run.id, "receipt") in world.shelf.files
    with world.graph.read() as tx:
        ticket = tx.tickets.get("LP-1")
    assert ticket is not None
    assert ticket.resolution is Resolution.SHIPPED


def test_a_failed_check_becomes_the_next_turns_feedback(world: World) -> None:
    world.bench.reports = [False, True]
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert world.run(run.id).turn == 2
    assert "E assert 1 == 2" not in world.bench.prompts[0]
    assert "E assert 1 == 2" in world.bench.prompts[1]
    assert world.bench.resumed == ["", "a-session"]


def test_an_agent_is_driven_under_the_policy_that_judges_its_change(world: World) -> None:
    world.law = world.law.model_copy(update={"name": "strict"})
    world.start()
    world.pump()
    assert world.bench.laws == ["strict"]


def test_two_alike_failures_plan_again(world: World) -> None:
    world.bench.reports = [False, False, True]
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    with world.graph.read() as tx:
        plans = [turn for turn, step, _ in tx.runs.outcomes(run.id) if step is Step.PLAN]
    assert plans == [1, 3]


def test_a_run_without_turns_left_fails_with_evidence_and_receipt(world: World) -> None:
    world.change(turns=2)
    world.bench.reports = [False, False]
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert (ended.verdict, ended.reason) == (Verdict.FAILED, Failure.CHECKS_FAILED)
    assert receipt(world, run.id)["verdict"] == "FAILED"
    assert (run.id, "evidence.json") in world.shelf.files
    assert world.forge.log == []


def test_a_turn_without_a_change_is_never_a_success(world: World) -> None:
    world.change(turns=2)
    world.bench.turns = [a_change(1), a_change(1)]
    world.bench.reports = [False]
    run = world.start()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).reason) == (Verdict.FAILED, Failure.NO_CHANGE)


def test_a_denied_path_is_refused_with_the_finding(world: World) -> None:
    world.change(paths=(PathRule(deny=("infra/",), why="owned by ops"),))
    world.bench.turns = [a_change(1, "infra/main.tf")]
    run = world.start()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).reason) == (Verdict.REFUSED, Failure.POLICY_REFUSED)
    predicate = receipt(world, run.id)
    assert predicate["verdict"] == "REFUSED"
    assert "infra/main.tf" in json.dumps(predicate["policy"])
    assert world.forge.log == []


def test_a_policy_that_asks_for_a_sandbox_refuses_before_the_agent_starts(world: World) -> None:
    world.change(sandbox="full")
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.REFUSED
    assert world.bench.agents == []


BOX = Held(backend="box 1", grade="fs-only")


@pytest.mark.parametrize(
    ("boxes", "backend"),
    [
        ([BOX, BOX, BOX, BOX], "box 1"),
        ([UNBOXED, BOX, BOX, BOX], "none"),  # the first turn
        ([BOX, BOX, BOX, UNBOXED], "none"),  # the last checks
        ([BOX, BOX], "none"),  # the second turn is of a release that knew none
        ([Held(backend="vm", grade="full", network="denied"), BOX, BOX, BOX], "box 1"),
    ],
)
def test_a_receipt_claims_no_more_than_the_least_that_held_a_turn_or_a_check(
    world: World, boxes: list[Held], backend: str
) -> None:
    world.bench.boxes = list(boxes)
    world.bench.reports = [False, True]
    run = world.start()
    world.pump()
    told = receipt(world, run.id)
    boxed = backend != "none"
    assert told["sandbox"] == {"backend": backend, "grade": "fs-only" if boxed else "none", "network": "unrestricted"}
    assert told["signer"] == {"isolation": "sandboxed-agent" if boxed else "same-user"}
    pack = json.loads(world.shelf.files[run.id, "evidence.json"])
    assert (pack["sandbox_backend"], pack["sandbox_network"]) == (backend, "unrestricted")


def test_a_usage_limit_moves_the_run_to_the_next_agent_in_the_same_turn(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA, detail="limit reached"), a_change(2)]
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert (ended.verdict, ended.turn, ended.agent) == (Verdict.PASSED, 1, "b")
    assert world.bench.agents == ["a", "b"]
    assert "Another agent began this" in world.bench.prompts[1]
    moved = receipt(world, run.id)["failovers"]
    assert isinstance(moved, list)
    assert (moved[0]["from"], moved[0]["to"], moved[0]["why"]) == ("a", "b", "quota")


def test_a_run_parks_without_a_worker_when_every_agent_is_limited(world: World) -> None:
    resets = world.clock.now() + timedelta(hours=1)
    world.bench.turns = [Tried(failure=Failure.QUOTA, resets_at=resets) for _ in range(2)]
    run = world.start()
    world.pump()
    parked = world.run(run.id)
    assert (parked.state, parked.wait, parked.owner) == (RunState.WAITING, Wait.LIMIT, None)
    assert parked.wake_at is not None
    assert resets <= parked.wake_at <= resets + timedelta(minutes=1)
    world.clock.tick(3700)
    world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert world.run(run.id).turn == 1


def test_a_crashed_agent_is_tried_again_and_then_the_next_one(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.AGENT_CRASH) for _ in range(3)]
    run = world.start()
    for _ in range(30):
        world.pump()
        world.clock.tick(5)
        world.sweep().once()
    assert world.bench.agents == ["a", "a", "a", "b"]
    assert world.run(run.id).verdict is Verdict.PASSED


def test_a_cancelled_run_ends_aborted_with_evidence_and_receipt(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.intake.cancel("LP-1", "tester")
    world.pump()
    assert world.run(run.id).verdict is Verdict.ABORTED
    assert receipt(world, run.id)["verdict"] == "ABORTED"
    assert world.bench.agents == []


def test_a_person_approves_and_the_change_ships(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    assert (world.run(run.id).state, world.run(run.id).wait) == (RunState.WAITING, Wait.APPROVAL)
    assert world.forge.log == []
    world.intake.answer(run.id, "approve", "person:me", "looks right")
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    approvals = receipt(world, run.id)["approvals"]
    assert isinstance(approvals, list)
    assert approvals[0]["by"] == "person:me"


def test_a_person_rejects_and_the_run_is_refused(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "reject", "person:me")
    world.pump()
    assert world.run(run.id).verdict is Verdict.REFUSED
    assert world.forge.log == []


def test_the_before_run_gate_keeps_the_agent_from_starting(world: World) -> None:
    world.change(approve_run=True)
    run = world.start()
    world.pump()
    assert (world.run(run.id).wait, world.bench.agents) == (Wait.APPROVAL, [])
    world.intake.answer(run.id, "approve", "person:me")
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_a_budget_is_reserved_before_the_turn(world: World) -> None:
    world.change(budget_micros=1000, turns=2)
    world.bench.reports = [False, False]
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert ended.verdict is Verdict.FAILED
    world.change(budget_micros=1, turns=1)
    second = world.start("Another")
    world.pump()
    assert world.run(second.id).verdict is Verdict.PASSED


def test_a_retry_from_code_keeps_the_plan_and_ships_anew(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.FAILED
    fork = world.intake.retry("LP-1", "tester", Step.CODE)
    assert (fork.id, fork.segment) == ("LP-1.2", Segment.TURN)
    world.pump()
    assert world.run(fork.id).verdict is Verdict.PASSED
    with world.graph.read() as tx:
        assert isinstance(tx.runs.outcome(fork.id, 1, Step.CHECK), CheckReport)


def test_a_policy_that_cannot_be_read_ends_the_run_and_does_not_hang_it(world: World) -> None:
    world.broken = ConfigError("loopy.toml at bbbbbbbbbbbb", "not valid TOML")
    run = world.start()
    for _ in range(20):
        world.pump()
        world.clock.tick(10)
        world.sweep().once()
    ended = world.run(run.id)
    assert (ended.state, ended.verdict, ended.reason) == (RunState.ENDED, Verdict.FAILED, Failure.WORKSPACE)
    assert receipt(world, run.id)["verdict"] == "FAILED"


def test_a_policy_that_cannot_be_read_for_a_moment_costs_an_attempt(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CHECK)
    world.broken = ConfigError("loopy.toml at bbbbbbbbbbbb", "cannot be read")
    world.deliver()
    world.broken = None
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_an_agent_that_is_missing_with_nobody_to_take_over_is_a_persons_question(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.AGENT_MISSING) for _ in range(2)]
    run = world.start()
    world.pump()
    waiting = world.run(run.id)
    assert (waiting.state, waiting.wait, waiting.owner) == (RunState.WAITING, Wait.QUESTION, None)
    assert waiting.wake_at is not None  # and it looks again by itself


def test_a_retry_from_code_with_another_agent_is_refused_rather_than_ignored(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    world.start()
    world.pump()
    with pytest.raises(RefusedError, match="route anew"):
        world.intake.retry("LP-1", "tester", Step.CODE, "b")
