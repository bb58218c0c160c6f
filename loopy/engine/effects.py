"""Effects on the outside world: intent, look, do, read back, settle; nothing is done twice, nothing is guessed (rule 15)."""

from __future__ import annotations

from dataclasses import dataclass

from loopy.domain.crashpoints import crashpoint
from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import AwayError, GitError, LostError
from loopy.domain.repository import parse
from loopy.domain.run import Claim
from loopy.engine.claims import mine
from loopy.engine.desk import Desk
from loopy.engine.tether import Tether
from loopy.ports import Leash, Workspace

CALL_S = 60.0  # a push may take this long, as long as beats prolong the claim: a tether ends it before the lease does
OPEN = frozenset({EffectState.INTENDED, EffectState.UNKNOWN})  # it may have happened, or may yet
LOOKS = 3  # how often an unreachable target is asked before a person is
SENDS = 3  # and how often what never arrives is sent
PAUSE_S = 0.5  # between two looks


@dataclass(frozen=True, slots=True)
class Pushed:
    """How a push ended: "done", "refused" (the words in `detail`), "cancelled", "unapproved", "draining" or as follows.

    "unknown": nobody can say whether it arrived; "absent": it was sent again and again, and surely did not arrive.
    """

    how: str
    effect: Effect | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is to be pushed where, and what an approval of it must be bound to ("" if none is needed)."""

    commit: str
    target: str
    ref: str
    expected: str
    subject: str


def push(desk: Desk, claim: Claim, leash: Leash, place: Workspace, shipment: Shipment) -> Pushed:
    """Bring the commit to its ref, effectively once, and read it back.

    Raises LostError when the claim is not ours any more; AwayError when only its heartbeats were missing, which is no
    proof of that: what was begun has been ended, so the claim may be given back if its token turns out to be current.
    """
    renewed = desk.clock.awake()
    intent = _intend(desk, claim, shipment)
    if isinstance(intent, Pushed):
        return intent
    (effect, fresh), tether = intent, Tether(leash, desk.graph, desk.clock, renewed, desk.lease_s)
    try:
        return _bring(desk, claim, tether, place, effect, fresh=fresh)
    except LostError as lost:
        if not tether.slack:
            raise
        raise AwayError("work graph", f"no heartbeat of {claim.run.id} was seen in it") from lost


def _bring(desk: Desk, claim: Claim, leash: Leash, place: Workspace, effect: Effect, *, fresh: bool) -> Pushed:
    """Send, unless a look finds it there already, and look until it is there."""
    since, said = desk.clock.awake(), ""
    for _ in range(SENDS):
        if not fresh and (ended := _look(desk, claim, leash, place, effect, since)):
            return ended  # our own fresh intent cannot have been sent by anybody
        if stopped := _stopped(leash, effect):
            return stopped
        crashpoint("ship.before_push")
        try:
            words = desk.remote.push(effect, place, leash, CALL_S)
        except GitError as error:  # no answer: it may have arrived all the same, only a look tells
            words, said = "", str(error)
        crashpoint("ship.after_push")
        if words:
            return Pushed("refused", _settle(desk, claim, effect, EffectState.REFUSED, words), words)
        fresh, since = False, desk.clock.awake()
    arrived = _look(desk, claim, leash, place, effect, since)
    return arrived or Pushed("absent", effect, said or "it was sent again and again, and never arrived")


def _look(desk: Desk, claim: Claim, leash: Leash, place: Workspace, effect: Effect, since: float) -> Pushed | None:
    """Ask the target until the commit is there, or its absence can be believed (None), or nobody answers.

    Present is believed at once; absent only once a sent call must have landed and be listed, counted awake.
    """
    looks = 0
    while looks < LOOKS:
        if stopped := _stopped(leash, effect):
            return stopped
        seen = desk.remote.look(effect, place, leash)
        if seen == effect.commit:
            return Pushed("done", _settle(desk, claim, effect, EffectState.DONE))
        if seen is None:
            looks += 1
        elif desk.clock.awake() - since >= desk.settle_s(effect.target):
            return None
        desk.pause(PAUSE_S)
    words = _unanswered(effect)
    return Pushed("unknown", _settle(desk, claim, effect, EffectState.UNKNOWN, words), words)


def _unanswered(effect: Effect) -> str:
    where = f"{effect.ref.removeprefix('refs/heads/')} of {parse(effect.target).name}"
    return f"nobody can say whether {effect.commit[:12]} arrived at {where}: the target cannot be asked"


def _stopped(leash: Leash, effect: Effect) -> Pushed | None:
    """A cancel does not stop what is intended already; a lost claim and a draining worker do."""
    reason = leash.stopping()
    if reason == "lost":
        raise LostError(effect.run, "stopped in a push")
    return Pushed("draining", effect) if reason == "draining" else None


def _intend(desk: Desk, claim: Claim, shipment: Shipment) -> tuple[Effect, bool] | Pushed:
    """Return the effect to bring about and whether its intent is this claim's own; checks cancel and approval with it."""
    with desk.graph.write(full=True) as tx:
        run = mine(tx, claim)
        known = tx.effects.of(run.id, EffectKind.PUSH)
        tx.runs.beat(claim.worker, [claim])  # what is sent now has a whole lease before it
        if known and known[-1].state in OPEN:
            return known[-1], False
        if known and known[-1].state is EffectState.DONE:
            return Pushed("done", known[-1])
        if run.cancel:
            return Pushed("cancelled")
        answers = [a.answer for a in tx.approvals.of(run.id) if a.answer and a.subject == shipment.subject]
        if shipment.subject and not any(a.decision == "approve" for a in answers):
            return Pushed("unapproved", detail="nobody approved this very change")
        effect = Effect(
            run=run.id,
            kind=EffectKind.PUSH,
            ordinal=len(known),
            state=EffectState.INTENDED,
            token=claim.token,
            commit=shipment.commit,
            target=shipment.target,
            ref=shipment.ref,
            expected=shipment.expected,
            at=tx.now,
        )
        tx.effects.intend(effect)
    crashpoint("ship.after_intent")
    return effect, True


def _settle(desk: Desk, claim: Claim, effect: Effect, state: EffectState, detail: str = "") -> Effect:
    with desk.graph.write() as tx:  # a power cut may undo it: the next one looks again; the run's end takes it along
        mine(tx, claim)
        return tx.effects.settle(effect, state, detail)
