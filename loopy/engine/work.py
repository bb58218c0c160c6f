"""What each step needs: read its inputs from the graph, call the step, hand back its result. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from loopy.domain.agent import Tried
from loopy.domain.change import Change
from loopy.domain.failures import Failure
from loopy.domain.gate import evaluate
from loopy.domain.outcome import Packed, StepResult
from loopy.domain.policy import Verb
from loopy.domain.run import Claim, Run
from loopy.domain.states import Step, Verdict
from loopy.engine.desk import Desk
from loopy.engine.facts import Ground, approved, ground
from loopy.engine.failover import cooling, successor
from loopy.engine.gating import gate_facts
from loopy.engine.reviewing import reviewed
from loopy.engine.roster import roster
from loopy.engine.scene import Scene, scene
from loopy.engine.shipping import ship_work
from loopy.engine.spending import left, reserve
from loopy.engine.story import EVIDENCE_JSON, EVIDENCE_PAGE, PATCH, gather, sha256_of
from loopy.ports import Brief, Leash, Tip, Workspace
from loopy.steps import check as checking
from loopy.steps import code as coding
from loopy.steps import evidence as packing
from loopy.steps.plan import plan
from loopy.steps.route import route
from loopy.steps.size import size


def plan_work(desk: Desk, claim: Claim, _leash: Leash) -> StepResult:
    """Plan on the tip of the target branch; a re-plan stays on the run's base."""
    at = scene(desk.graph, claim)
    if not claim.run.base:
        return plan(at.ticket, desk.repositories, desk.planner)
    again = desk.planner.plan(at.ticket, claim.run.repo, Tip(claim.run.base, at.plan.target), ())
    return again.model_copy(update={"base": claim.run.base})


def size_work(desk: Desk, claim: Claim, _leash: Leash) -> StepResult:
    """Size the plan."""
    at = scene(desk.graph, claim)
    return size(at.ticket, at.plan)


def route_work(desk: Desk, claim: Claim, _leash: Leash) -> StepResult:
    """Choose the agent from what is known of the fleet right now; a person's choice is kept and named as such."""
    at = scene(desk.graph, claim)
    by = "the ticket's assignment" if claim.run.wanted_agent == at.ticket.assignee else "a person"
    facts = roster(desk, claim.run)
    wanted, alone = claim.run.wanted_agent, not claim.run.failover
    return route(at.ticket, at.sized, facts, wanted=wanted, now=desk.clock.now(), wanted_by=by, alone=alone)


def code_work(desk: Desk, claim: Claim, leash: Leash) -> StepResult:
    """Drive one turn of the agent in the run's workspace; only after the run's lock could be had (rule 9)."""
    at = scene(desk.graph, claim)
    agent = desk.fleet.agents().get(claim.run.agent)
    if agent is None:
        return Tried(failure=Failure.AGENT_MISSING, detail=f"no agent is called '{claim.run.agent}'")
    on, facts = ground(desk, claim.run, claim.run.agent), gate_facts(desk, at)
    policy = on.policy
    refused = evaluate(policy, facts)  # before the agent starts: the circumstances alone
    if refused.verdict is Verb.DENY:
        why = "; ".join(f"{f.rule}: {f.why}{f' ({f.hint})' if f.hint else ''}" for f in refused.findings)
        return Tried(failure=Failure.POLICY_REFUSED, detail=why)
    if _slips_past(desk, claim.run, on):
        return Tried(failure=Failure.POLICY_REFUSED, detail="nobody approved its start; retry it from its plan")
    with desk.graph.read() as tx:
        if limited := cooling(tx, claim.run):
            return limited
    desk.guards.clear(claim.run.id, claim.token)
    if over := reserve(desk, claim, policy, agent):
        return over
    place = desk.workspaces.open(claim.run.id, claim.run.repo, claim.run.base)
    text = coding.prompt(at.ticket, at.plan, claim.run.turn, _feedback(desk, at, place, claim.token))
    brief = Brief(text, claim.run.turn, at.session(agent.name), policy, left(desk, claim.run, policy))
    by = coding.Ruling(policy, facts, at.tree_before)
    return coding.code(agent, brief, place, by, desk.driver, desk.workspaces, leash)


def _slips_past(desk: Desk, run: Run, on: Ground) -> bool:
    """Whether a fork begins behind the before-run gate that the run it came from did not pass (rule 14)."""
    if not (on.policy.approve_run and run.forked_from and run.turn == 1):
        return False
    with desk.graph.read() as tx:
        old, subject = tx.runs.get(run.forked_from), on.run_subject(tx, run)
        return not any(approved(tx, asked, subject) for asked in (run, old) if asked)


def _feedback(desk: Desk, at: Scene, place: Workspace, token: int) -> coding.Feedback:
    moved = at.handed_over()
    diff = desk.workspaces.diff(place, desk.workspaces.snapshot(place, token)) if moved else ""
    handoff = f"{moved.agent}: {moved.failure}" if moved else ""
    return coding.Feedback(report=at.before, handoff=handoff, diff=diff)


def check_work(desk: Desk, claim: Claim, leash: Leash) -> StepResult:
    """Run the plan's checks on the turn's tree."""
    at = scene(desk.graph, claim)
    desk.guards.clear(claim.run.id, claim.token)
    place = desk.workspaces.open(claim.run.id, claim.run.repo, claim.run.base)
    assert at.change is not None, "check follows code within a turn"
    report = checking.check(at.plan, at.change, place, desk.workspaces, desk.checker, leash)
    return report if isinstance(report, Tried) else reviewed(desk, claim, at, report, place, leash)


def failover_work(desk: Desk, claim: Claim, _leash: Leash) -> StepResult:
    """Move the run to the next agent, or let it wait for the earliest reset."""
    at = scene(desk.graph, claim)
    with desk.graph.read() as tx:
        cooldowns = tx.fleet.cooldowns()
    why = next((a.failure for a in reversed(at.attempts) if not a.to_agent and a.step == Step.CODE), Failure.CAPACITY)
    agents = desk.fleet.agents()
    return successor(claim.run, why, at.chain, agents, cooldowns, lambda a: desk.driver.health(a)[0], desk.clock.now())


def evidence_work(desk: Desk, claim: Claim, _leash: Leash) -> StepResult:
    """Keep the evidence pack and say what an approval of it would bind to."""
    on = ground(desk, claim.run, claim.run.agent)
    with desk.graph.read() as tx:
        pack = gather(tx, claim.run, desk.fleet, desk.sandbox, on.sha256)
    json_sha256 = desk.archive.put(claim.run.id, EVIDENCE_JSON, packing.as_json(pack))
    page = packing.as_markdown(pack).encode("utf-8", "replace")
    markdown_sha256 = desk.archive.put(claim.run.id, EVIDENCE_PAGE, page)
    asked = pack.decision.asked if pack.decision else ()
    asks = on.policy.approve == "always" or (on.policy.approve == "asked" and bool(asked))
    return Packed(
        verdict=pack.verdict,
        reason="; ".join(f"{f.rule} {f.path}".strip() for f in asked)[:500],
        json_sha256=json_sha256,
        markdown_sha256=markdown_sha256,
        patch_sha256=_patch(desk, claim, pack.change) if pack.verdict is Verdict.PASSED and pack.change else "",
        subject=packing.subject(claim.run.digest, sha256_of(pack.plan), on.sha256),
        needs_approval=asks and pack.verdict is Verdict.PASSED,
    )


def _patch(desk: Desk, claim: Claim, change: Change) -> str:
    desk.guards.clear(claim.run.id, claim.token)
    place = desk.workspaces.open(claim.run.id, claim.run.repo, claim.run.base)
    return desk.archive.put(claim.run.id, PATCH, desk.workspaces.patch(place, change))


Work = Callable[[Desk, Claim, Leash], StepResult]
WORK: Mapping[Step, Work] = MappingProxyType(
    {
        Step.PLAN: plan_work,
        Step.SIZE: size_work,
        Step.ROUTE: route_work,
        Step.CODE: code_work,
        Step.CHECK: check_work,
        Step.FAILOVER: failover_work,
        Step.EVIDENCE: evidence_work,
        Step.SHIP: ship_work,
    }
)
