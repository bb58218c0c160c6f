"""Every way a run's row moves; each is one compare-and-set with its event, inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loopy.domain.agent import Tried
from loopy.domain.effect import EffectState
from loopy.domain.failures import Failure
from loopy.domain.run import STRIKES, Run
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait, remaining
from loopy.engine.graph import Tx
from loopy.engine.order import RING_BACKOFF_S


@dataclass(frozen=True, slots=True)
class Ring:
    """A doorbell to press after the commit."""

    run_id: str
    epoch: int
    steps: tuple[str, ...]
    priority: int

    @classmethod
    def of(cls, run: Run) -> Ring:
        """Return the ring for a queued run: the rest of its segment."""
        return cls(run.id, run.epoch, tuple(remaining(run.segment, run.step)), 4 - run.priority)


def dispatch(tx: Tx, run: Run, segment: Segment, step: Step, text: str = "", **changes: Any) -> Run:
    """Set the position, a new epoch, and `queued`, all at once (rule 1); the ring comes after the commit."""
    moved: dict[str, Any] = {
        "segment": segment,
        "step": step,
        "state": RunState.QUEUED,
        "epoch": run.epoch + 1,
        "owner": None,
    }
    moved |= {"rung_at": tx.now, "rings": 0, "wait": None, "wake_at": None}
    return tx.runs.move(run, "run.queued", text, **(moved | changes))


def ready(tx: Tx, run: Run, segment: Segment, step: Step, text: str = "", **changes: Any) -> Run:
    """Ask for admission at a position (rule 10)."""
    moved = {"segment": segment, "step": step, "state": RunState.READY, "owner": None, "ready_at": tx.now}
    return tx.runs.move(run, "run.ready", text, **(moved | {"wait": None, "wake_at": None} | changes))


def onward(tx: Tx, run: Run, step: Step, text: str = "", **changes: Any) -> Run:
    """Go to the next step of the segment under the same epoch: the chain that is under way stays good (rule 1)."""
    moved = {"step": step, "state": RunState.QUEUED, "owner": None, "rung_at": tx.now, "rings": 0}
    return tx.runs.move(run, "run.queued", text, **(moved | changes))


def wait(tx: Tx, run: Run, why: Wait, until: datetime | None, text: str = "", **changes: Any) -> Run:
    """Wait without a worker and without a slot (rule 12)."""
    moved = {"state": RunState.WAITING, "wait": why, "wake_at": until, "owner": None}
    return tx.runs.move(run, "run.waiting", text, **(moved | changes))


def to_finish(tx: Tx, run: Run, verdict: Verdict, reason: str, text: str = "", **changes: Any) -> Run:
    """Send the run to its end; every end passes `finish` (rule 13)."""
    moved = {"verdict": verdict, "reason": reason, "deaths": 0, "strikes": 0}
    return ready(tx, run, Segment.FINISH, Step.EVIDENCE, text, **(moved | changes))


def touched(tx: Tx, run: Run) -> bool:
    """Whether an effect of the run may have reached the world already."""
    return any(e.state is not EffectState.REFUSED for e in tx.effects.of(run.id))


def abort(tx: Tx, run: Run, **changes: Any) -> Run:
    """Cancel an unowned run by transition; in `finish` evidence is not rewritten, only the verdict (rule 13)."""
    if run.segment is not Segment.FINISH:
        return to_finish(tx, run, Verdict.ABORTED, Failure.CANCELLED, token=run.token + 1, **changes)
    if touched(tx, run):
        return run
    verdict = run.verdict if run.verdict in (Verdict.FAILED, Verdict.REFUSED) else Verdict.ABORTED
    if run.state is RunState.WAITING:
        return ready(tx, run, Segment.FINISH, run.step, "cancelled", verdict=verdict, reason=Failure.CANCELLED)
    if verdict is not run.verdict:
        return tx.runs.move(run, "run.aborted", verdict=verdict, reason=Failure.CANCELLED)
    return run


def cancel(tx: Tx, run: Run, by: str) -> Run:
    """Flag a run as cancelled; an unowned one moves at once, an owner sees the flag within a second."""
    if run.state is RunState.ENDED or run.cancel:
        return run
    flagged = tx.runs.move(run, "run.cancel_requested", by, cancel=True)
    return flagged if flagged.owner else abort(tx, flagged)


def free(tx: Tx, run: Run, why: str, *, death: bool, own_doing: bool) -> Run:
    """Take a dead or silent owner's run back: same epoch and position, a new token, rung at once (rules 2, 8, 18)."""
    tx.runs.add_attempt(run, Tried(failure=Failure.WORKER_LOST, detail=why))
    deaths, strikes = run.deaths + death, run.strikes + (death and own_doing)
    changes: dict[str, Any] = {"token": run.token + 1, "deaths": deaths, "strikes": strikes}
    if strikes >= STRIKES and run.segment is not Segment.FINISH:
        text = f"{strikes} workers died while they ran it alone"
        return to_finish(tx, run, Verdict.FAILED, Failure.WORKER_LOST, text, token=run.token + 1)
    if run.cancel and run.segment is not Segment.FINISH:
        return abort(tx, run)
    if strikes >= STRIKES:  # it kills its workers in finish itself: end it by a bare receipt
        return ready(tx, run, Segment.FINISH, Step.SHIP, why, **changes, bare=True)
    if deaths >= 2:  # a suspect: re-admitted one at a time
        return ready(tx, run, run.segment, run.step, why, **changes)
    long_ago = tx.now - timedelta(seconds=RING_BACKOFF_S)
    moved = {"state": RunState.QUEUED, "owner": None, "rung_at": long_ago, "rings": 0}
    freed = tx.runs.move(run, "run.freed", why, **(moved | changes))
    return abort(tx, freed) if freed.cancel else freed
