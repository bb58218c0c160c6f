"""The ship step's work: commit the checked tree, push it as an effect, and put it on the new tip when it is refused."""

from __future__ import annotations

from loopy.domain.agent import Tried
from loopy.domain.change import Change
from loopy.domain.effect import Effect, EffectState
from loopy.domain.failures import Failure
from loopy.domain.gate import evaluate
from loopy.domain.outcome import NotShipped, Packed, Rebased, Shipped, StepResult
from loopy.domain.policy import Verb
from loopy.domain.run import Claim
from loopy.domain.states import Step, Verdict
from loopy.engine.desk import Desk
from loopy.engine.effects import Pushed, Shipment, push
from loopy.engine.facts import Ground, ground
from loopy.engine.gating import gate_facts
from loopy.engine.scene import Scene, scene
from loopy.engine.story import BUNDLE, gather, sha256_of
from loopy.ports import Leash, Workspace
from loopy.steps import evidence
from loopy.steps import ship as words


def ship_work(desk: Desk, claim: Claim, leash: Leash) -> StepResult:
    """Ship what passed; a run that did not pass, or is bare, acts no more and ends with what is on record."""
    with desk.graph.read() as tx:
        begun = next((e for e in tx.effects.of(claim.run.id) if e.state is not EffectState.REFUSED), None)
    done = begun if begun and begun.state is EffectState.DONE else None
    if claim.run.bare or claim.run.verdict is not Verdict.PASSED:
        return _shipped(done) if done else Shipped()
    at, on = scene(desk.graph, claim), ground(desk, claim.run, claim.run.agent)
    change = at.change
    assert change is not None, "a passed run has a change"
    decision = evaluate(on.policy, gate_facts(desk, at).model_copy(update={"change": change}))
    if decision.verdict is Verb.DENY and not done:
        return NotShipped(failure=Failure.POLICY_REFUSED, detail="the policy of today refuses this change")
    if _changed_since(at, on) and not done:
        return NotShipped(failure=Failure.POLICY_REFUSED, detail="plan or policy changed since the approval was asked")
    desk.guards.clear(claim.run.id, claim.token)
    place = desk.workspaces.open(claim.run.id, claim.run.repo, claim.run.base)
    shipment = _shipment(desk, claim, at, on, place, change, begun)
    bundle = desk.workspaces.bundle(place, shipment.commit, shipment.ref)
    bundle_sha256 = desk.archive.put(claim.run.id, BUNDLE, bundle)  # before anything is sent: it may fail
    pushed = push(desk, claim, leash, place, shipment)
    if pushed.how == "refused":
        return _rebased(desk, claim, at, on, place, pushed)
    return _result(pushed, bundle_sha256)


def _shipment(
    desk: Desk, claim: Claim, at: Scene, on: Ground, place: Workspace, change: Change, begun: Effect | None
) -> Shipment:
    """Return what goes where: what was begun, else a commit that equal inputs make equal; a refused try takes the next name."""
    run, packed = claim.run, _packed(at)
    subject = packed.subject if packed and packed.needs_approval else ""
    if begun:
        return Shipment(begun.commit, begun.target, begun.ref, begun.expected, subject)
    with desk.graph.read() as tx:
        pack = gather(tx, run, desk.fleet, desk.sandbox, on.sha256)
        refused = sum(e.state is EffectState.REFUSED for e in tx.effects.of(run.id))
    commit = desk.workspaces.commit(place, change, words.message(at.ticket, run.id, pack), run.created_at)
    target, prefix = desk.targets.target(run)
    ref = words.branch(prefix, run.id, at.ticket.title) + (f"-{refused + 1}" if refused else "")
    return Shipment(commit, target, ref, expected="", subject=subject)


def _packed(at: Scene) -> Packed | None:
    found = next((o for turn, step, o in at.journal if (turn, step) == (at.run.turn, Step.EVIDENCE)), None)
    return found if isinstance(found, Packed) else None


def _changed_since(at: Scene, on: Ground) -> bool:
    """Whether an approval that was asked for binds to something else by now (rule 14)."""
    packed = _packed(at)
    bound_to = evidence.subject(at.run.digest, sha256_of(at.plan), on.sha256)
    return packed is not None and packed.needs_approval and packed.subject != bound_to


def _result(pushed: Pushed, bundle_sha256: str) -> StepResult:
    match pushed.how:
        case "done":
            assert pushed.effect is not None
            return _shipped(pushed.effect, bundle_sha256)
        case "unknown" | "absent":
            return Tried(failure=Failure.UNREACHABLE, detail=pushed.detail)
        case "unapproved":
            return NotShipped(failure=Failure.POLICY_REFUSED, detail=pushed.detail)
        case _:
            return NotShipped(failure=Failure.CANCELLED, detail=pushed.how)


def _shipped(done: Effect, bundle_sha256: str = "") -> Shipped:
    return Shipped(
        head=done.commit, ref=done.ref, target=done.target, read_back=done.commit, bundle_sha256=bundle_sha256
    )


def _rebased(desk: Desk, claim: Claim, at: Scene, on: Ground, place: Workspace, pushed: Pushed) -> Rebased:
    """Put the refused change on the target's newest tip; the gate looks at it again."""
    tip = desk.repositories.tip(claim.run.repo)
    assert at.change is not None
    moved = desk.workspaces.rebase(place, at.change, tip.commit, claim.token)
    decision = evaluate(on.policy, gate_facts(desk, at).model_copy(update={"change": moved})) if moved else None
    return Rebased(base=tip.commit, change=moved, decision=decision, detail=pushed.detail)
