"""What a ticket's card says: a word, its ink and the reason beside it, derived from the rows and never stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from loopy.cli.paper import line
from loopy.cli.times import ago, lasting, until
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict, Wait
from loopy.store.board import Card


@dataclass(frozen=True, slots=True)
class Status:
    """The displayed status: `mark` and `word` and ink together, `why` for the line beside, `rank` for the order."""

    mark: str
    word: str
    ink: str
    why: str = ""
    rank: int = 0


ASKS = (Wait.APPROVAL, Wait.QUESTION)  # these wait for a person and for nothing else
ENDS: Mapping[Verdict, tuple[str, str, str]] = {
    Verdict.PASSED: ("✓", "shipped", "good"),
    Verdict.FAILED: ("✗", "failed", "bad"),
    Verdict.REFUSED: ("⊘", "refused", "bad"),
    Verdict.ABORTED: ("-", "aborted", "quiet"),
}


def status_of(card: Card, now: datetime) -> Status:
    """Return what the card says at this moment."""
    run = card.run
    if run is None:
        return _without_run(card, now)
    if run.state is RunState.ENDED:
        by_hand = card.ticket.closed_at is not None and run.verdict in (Verdict.FAILED, Verdict.REFUSED)
        return _without_run(card, now) if by_hand else _ended(run, now)
    return run_status(card, run, now)


def run_status(card: Card, run: Run, now: datetime) -> Status:
    """Return what a run under way is doing."""
    since = lasting((now - card.moved.at).total_seconds()) if card.moved else ""
    if run.cancel:
        return Status("●", "cancelling", "quiet", _doing(run, since), 2)
    match run.state:
        case RunState.RUNNING:
            return Status("●", "running", "live", _doing(run, since), 2)
        case RunState.QUEUED:
            return Status("○", "queued", "plain", _doing(run, since), 3)
        case RunState.READY:
            return Status("○", "ready", "plain", _doing(run, since), 4)
    return _waiting(card, run, now)


def _waiting(card: Card, run: Run, now: datetime) -> Status:
    text = line(card.moved.text) if card.moved else ""
    if run.wait in ASKS:
        what = text or f"at {run.step}"
        return Status("▲", f"needs {'approval' if run.wait is Wait.APPROVAL else 'an answer'}", "need", what, 1)
    parts = [str(run.wait), until(run.wake_at, now) if run.wake_at else "", text]
    return Status("‖", "waiting", "quiet", " · ".join(part for part in parts if part), 5)


def _doing(run: Run, since: str) -> str:
    turn = f"turn {run.turn}" if run.turn > 1 else ""
    return " · ".join(part for part in (run.step.value, line(run.agent, 20), turn, since) if part)


def _ended(run: Run, now: datetime) -> Status:
    mark, word, name = ENDS[run.verdict or Verdict.FAILED]
    when = ago(run.ended_at, now) if run.ended_at else ""
    return Status(mark, word, name, " · ".join(part for part in (line(run.reason).replace("_", " "), when) if part), 7)


def _without_run(card: Card, now: datetime) -> Status:
    ticket = card.ticket
    if ticket.closed_at is not None:
        return Status("-", "closed", "quiet", f"{ticket.resolution or 'done'} · {ago(ticket.closed_at, now)}", 8)
    return Status("·", "open", "plain", line(ticket.assignee, 40), 6)
