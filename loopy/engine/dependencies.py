"""Dependencies: done when the change that the other ticket shipped is in the base of the dependent one (rule 17)."""

from __future__ import annotations

from collections.abc import Sequence

from loopy.domain.errors import LoopyError, LostError
from loopy.domain.run import Run
from loopy.domain.states import Verdict
from loopy.engine import moves
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx


def missing(desk: Desk, tx: Tx, run: Run) -> list[str]:
    """Return why each dependency is not done, as sentences; nothing when all are. Asks git, so give it a reading tx."""
    ticket = tx.tickets.get(run.ticket)
    reasons = []
    for needed in ticket.depends_on if ticket else ():
        shipped = [r for r in tx.tickets.runs(needed) if r.verdict is Verdict.PASSED and r.head]
        other = tx.tickets.get(needed)
        if shipped and any(_contains(desk, run, r) for r in shipped):
            continue
        if shipped:
            reasons.append(f"{needed} shipped, but its change is not in the base yet")
        elif other is not None and other.closed_at is not None and other.resolution == "done":
            continue  # closed by hand
        else:
            reasons.append(f"{needed} has not shipped")
    return reasons


def _contains(desk: Desk, run: Run, shipped: Run) -> bool:
    if shipped.repo != run.repo:
        return True  # another repository's change cannot be in this base; its having shipped is all there is to ask
    tip = desk.repositories.tip(run.repo)
    return desk.repositories.contains(run.repo, tip.commit, shipped.head)


def look_again(desk: Desk, waiting: Sequence[Run]) -> None:
    """Let those go whose dependencies are done by now."""
    for run in waiting:
        try:
            with desk.graph.read() as tx:
                reasons = missing(desk, tx, run)
            if reasons:
                continue
            with desk.graph.write() as tx:
                now = tx.runs.get(run.id)
                if now is not None and now.version == run.version:
                    moves.ready(tx, now, run.segment, run.step, "its dependencies are done")
        except (LostError, LoopyError):
            continue  # an unreachable repository, or somebody was first: the next look decides
