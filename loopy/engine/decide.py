"""What comes after a step's result: one pure table from (result, position) to the next move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport
from loopy.domain.counted import counted
from loopy.domain.failures import RULES, Failure, Remedy
from loopy.domain.outcome import (
    Coded,
    FailedOver,
    NotShipped,
    Packed,
    Rebased,
    Shipped,
    StepResult,
    Unchanged,
)
from loopy.domain.plan import Plan, Routed, Sized
from loopy.domain.policy import Verb
from loopy.domain.run import Run
from loopy.domain.states import Segment, Step, Verdict, Wait, following

BY_A_PERSON = frozenset({Failure.AGENT_MISSING, Failure.AUTH, Failure.BILLING})


@dataclass(frozen=True, slots=True)
class Next:
    """The move to make: `onward` in the segment, `ready` for admission, `dispatch` keeping the slot, `wait`, or `end`."""

    how: Literal["onward", "ready", "dispatch", "wait", "finish", "end"]
    segment: Segment = Segment.FINISH
    step: Step = Step.EVIDENCE
    text: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    wait: Wait | None = None
    until: datetime | None = None
    verdict: Verdict | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the table may look at besides the run and the result."""

    now: datetime
    tries: int = 0  # attempts of this step in this turn with the same failure, this one included
    turns: int = 4  # how many turns the policy grants
    alike: bool = False  # this turn failed as the one before did
    others: bool = False  # the authorised chain names another agent
    approved: bool = False  # a yes is on record for this very subject
    gate_run: bool = False  # the before-run gate is open and unanswered


def finish(verdict: Verdict, reason: str = "", text: str = "") -> Next:
    """Return the move to the finish segment."""
    return Next("finish", verdict=verdict, reason=reason, text=text)


def decide(run: Run, result: StepResult, facts: Facts) -> Next:  # noqa: C901  # one flat table; splitting would hide it
    """Return what comes next for a run that got this result at its present position."""
    match result:
        case Plan():
            return _onward(
                run,
                f"{counted(len(result.acceptance), 'acceptance item')}, {counted(len(result.checks), 'check')}",
                base=run.base or result.base,
            )
        case Sized():
            return _onward(run, result.size)
        case Routed():
            return _routed(result, facts)
        case Coded():
            return _coded(run, result)
        case Unchanged():
            return _next_turn(run, Failure.NO_CHANGE, facts, "the agent changed nothing")
        case CheckReport() if not result.results:
            return finish(Verdict.FAILED, Failure.CHECKS_FAILED, "no checks: name them in the repository's loopy.toml")
        case CheckReport() if result.passed:
            reviews = f", {counted(len(result.reviews), 'review')}" if result.reviews else ""
            return finish(Verdict.PASSED, text=f"{counted(len(result.results), 'check')} passed{reviews}")
        case CheckReport():
            failed = f"failed: {', '.join(r.name for r in result.failed)}" if result.failed else ""
            objects = f"{', '.join(r.agent for r in result.objections)} objects" if result.objections else ""
            return _next_turn(run, Failure.CHECKS_FAILED, facts, failed or objects)
        case FailedOver():
            return _failed_over(run, result)
        case Packed():
            return _packed(run, result, facts)
        case Shipped():
            return Next("end", text=result.ref, changes={"head": result.head}, verdict=run.verdict, reason=run.reason)
        case NotShipped():
            verdict = Verdict.ABORTED if result.failure is Failure.CANCELLED else Verdict.FAILED
            return Next("end", text=result.detail, verdict=verdict, reason=result.failure)
        case Rebased():
            return _rebased(run, result, facts)
        case Tried():
            return _tried(run, result, facts)


def _onward(run: Run, text: str, **changes: Any) -> Next:
    step = following(run.segment, run.step)
    assert step is not None
    return Next("onward", run.segment, step, text, changes)


def _coded(run: Run, result: Coded) -> Next:
    if result.decision.verdict is Verb.DENY:
        why = "; ".join(f"{f.rule}: {f.path or f.why}" for f in result.decision.findings if f.verb is Verb.DENY)
        return finish(Verdict.REFUSED, Failure.POLICY_REFUSED, why)
    change = result.change
    return _onward(run, f"{counted(len(change.entries), 'file')} changed", tree=change.tree, digest=change.digest)


def _routed(result: Routed, facts: Facts) -> Next:
    changes = {"agent": result.agent, "account": result.account}
    if facts.gate_run:
        return Next("wait", Segment.TURN, Step.CODE, "before-run approval", changes, Wait.APPROVAL)
    return Next("ready", Segment.TURN, Step.CODE, result.agent, changes)


def _next_turn(run: Run, failure: Failure, facts: Facts, text: str) -> Next:
    if run.turn >= facts.turns:
        return finish(Verdict.FAILED, failure, f"{text}; no turns left of {facts.turns}")
    changes = {"turn": run.turn + 1, "moves": 0}
    if facts.alike:  # two alike failures: plan again before the next try
        return Next("ready", Segment.PREPARE, Step.PLAN, f"{text}, as before: plan again", changes)
    return Next("dispatch", Segment.TURN, Step.CODE, text, changes)


def _failed_over(run: Run, result: FailedOver) -> Next:
    if result.to_agent:
        changes = {"agent": result.to_agent, "account": result.account, "moves": run.moves + 1}
        return Next("ready", Segment.TURN, Step.CODE, f"{result.from_agent} → {result.to_agent}: {result.why}", changes)
    if result.why in BY_A_PERSON:  # no reset mends it: in the inbox, though it looks again by itself
        text = f"{result.why}: {RULES[result.why].advice}; no other agent is free"
        return Next("wait", Segment.FAILOVER, Step.FAILOVER, text, {"moves": 0}, Wait.QUESTION, result.wake_at)
    text = f"{result.why}; no agent is free"
    return Next("wait", Segment.FAILOVER, Step.FAILOVER, text, {"moves": 0}, Wait.LIMIT, result.wake_at)


def _packed(run: Run, result: Packed, facts: Facts) -> Next:
    if run.verdict is Verdict.PASSED and result.needs_approval and not facts.approved and not run.cancel:
        return Next("wait", Segment.FINISH, Step.SHIP, "before-ship approval", {}, Wait.APPROVAL)
    return Next("onward", Segment.FINISH, Step.SHIP, str(run.verdict or ""))


def _rebased(run: Run, result: Rebased, facts: Facts) -> Next:
    if run.turn >= facts.turns or run.cancel:
        return Next("end", text=result.detail, verdict=Verdict.FAILED, reason=Failure.CONFLICT)
    changes: dict[str, Any] = {"turn": run.turn + 1, "moves": 0, "verdict": None, "reason": "", "base": result.base}
    if result.change is None:
        return Next("ready", Segment.TURN, Step.CODE, "the target moved and the change conflicts", changes)
    changes |= {"tree": result.change.tree, "digest": result.change.digest}
    return Next("ready", Segment.TURN, Step.CHECK, "the target moved: rebased", changes)


def _tried(run: Run, result: Tried, facts: Facts) -> Next:
    rule = RULES[result.failure]
    match rule.remedy:
        case Remedy.FAIL_OVER:
            return Next("dispatch", Segment.FAILOVER, Step.FAILOVER, f"{result.failure}: {result.detail}")
        case Remedy.RETRY if facts.tries < rule.tries:
            return Next("dispatch", run.segment, run.step, f"{result.failure}: {result.detail}")
        case Remedy.RETRY if result.failure is Failure.AGENT_CRASH and facts.others:
            return Next("dispatch", Segment.FAILOVER, Step.FAILOVER, f"{result.failure}: {result.detail}")
        case Remedy.PARK if facts.tries < rule.tries:
            why = Wait.DISK if result.failure is Failure.DISK_FULL else Wait.BACKOFF
            until = facts.now + timedelta(seconds=rule.cooldown_s * facts.tries)
            return Next("wait", run.segment, run.step, result.detail, {}, why, until)
        case Remedy.PARK:  # it may have happened or not, and nobody can be asked but a person (rule 15)
            return Next("wait", run.segment, run.step, f"{result.detail}; {rule.advice}", {}, Wait.QUESTION)
        case Remedy.NEXT_TURN:
            return _next_turn(run, result.failure, facts, result.detail)
    return _ended_by(run, result)


def _ended_by(run: Run, result: Tried) -> Next:
    """Return the end of a run that no remedy is left for; a failure in `finish` itself must not loop for ever."""
    verdict = {Failure.CANCELLED: Verdict.ABORTED, Failure.POLICY_REFUSED: Verdict.REFUSED}.get(
        result.failure, Verdict.FAILED
    )
    match run.step:
        case Step.EVIDENCE:
            changes = {"bare": True, "verdict": Verdict.FAILED, "reason": result.failure}
            return Next("dispatch", Segment.FINISH, Step.SHIP, f"no evidence: {result.detail}", changes)
        case Step.SHIP:
            return Next("end", text=result.detail, verdict=verdict, reason=result.failure, changes={"bare": True})
    return finish(verdict, result.failure, result.detail)
