"""Read-only questions of the surfaces: the board, what is under way, what waits for a person; a few queries each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, and_, func, literal_column, select, union, union_all

from loopy.domain.events import Event
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict
from loopy.domain.ticket import Resolution, Ticket, TicketId
from loopy.store import schema as s
from loopy.store.graph import SqlTx
from loopy.store.rows import event_of, run_of, ticket_number, ticket_of

LIVE = (RunState.RUNNING, RunState.QUEUED, RunState.READY, RunState.WAITING)


@dataclass(frozen=True, slots=True)
class Card:
    """A ticket with its newest run; `moved` is the run's latest transition, `said` the last line of its stream."""

    ticket: Ticket
    run: Run | None = None
    moved: Event | None = None
    said: Event | None = None


def cards(tx: SqlTx, limit: int = 200) -> Sequence[Card]:
    """Return the newest tickets, newest first, and every older one that has a run under way."""
    newest = select(s.ticket.c.n).order_by(s.ticket.c.n.desc()).limit(limit)
    chosen = union(select(newest.subquery().c.n), *(_tickets_in(state) for state in LIVE)).subquery()
    query = select(s.ticket).where(s.ticket.c.n.in_(select(chosen.c.n))).order_by(s.ticket.c.n.desc())
    return _cards(tx, query)


def under_way(tx: SqlTx) -> Sequence[Card]:
    """Return every ticket whose run has not ended, newest first."""
    chosen = union(*(_tickets_in(state) for state in LIVE)).subquery()
    query = select(s.ticket).where(s.ticket.c.n.in_(select(chosen.c.n))).order_by(s.ticket.c.n.desc())
    return _cards(tx, query)


def card(tx: SqlTx, ticket: str) -> Card | None:
    """Return one ticket's card."""
    found = _cards(tx, select(s.ticket).where(s.ticket.c.n == ticket_number(ticket)))
    return found[0] if found else None


def counts(tx: SqlTx) -> Mapping[RunState, int]:
    """Return how many runs are in each live state; asks only the indexes of live rows."""
    parts: list[Select[str, int]] = [
        select(literal_column(f"'{state}'", Text).label("state"), func.count().label("n"))
        .select_from(s.run)
        .where(s.run.c.state == literal_column(f"'{state}'"))
        for state in LIVE
    ]
    return {RunState(row.state): row.n for row in tx.connection.execute(union_all(*parts))}


def tickets_in_all(tx: SqlTx) -> int:
    """Return how many tickets there are."""
    return tx.connection.scalar(select(func.count()).select_from(s.ticket)) or 0


def newest_event(tx: SqlTx) -> int:
    """Return the id of the newest event, 0 for none."""
    return tx.connection.scalar(select(func.max(s.event.c.id))) or 0


def envelope_at(tx: SqlTx, seq: int) -> bytes | None:
    """Return the envelope of that number in the chain of receipts."""
    found = tx.connection.scalar(select(s.receipt.c.envelope).where(s.receipt.c.seq == seq))
    return None if found is None else bytes(found)


def dead_ends(tx: SqlTx, ticket: Ticket) -> list[TicketId]:
    """Return the dependencies that will not be done by themselves: cancelled, or ended without shipping and not retried."""
    return [needed for needed in ticket.depends_on if (found := card(tx, needed)) is not None and _is_dead_end(found)]


def _is_dead_end(needed: Card) -> bool:
    if needed.ticket.closed_at is not None:
        return needed.ticket.resolution in (Resolution.CANCELLED, Resolution.FAILED)
    run = needed.run
    return run is not None and run.state is RunState.ENDED and run.verdict is not Verdict.PASSED


def _tickets_in(state: RunState) -> Select[tuple[int]]:
    # The state is spelled out, for SQLite takes a partial index only when it can see that its condition holds.
    return select(s.run.c.ticket.label("n")).where(s.run.c.state == literal_column(f"'{state}'"))


def _cards(tx: SqlTx, tickets: Select[Any]) -> Sequence[Card]:
    rows = list(tx.connection.execute(tickets))
    numbers = [row.n for row in rows]
    needs, runs = _needs(tx, numbers), _newest_runs(tx, numbers)
    moved = _moved(tx, [run.id for run in runs.values()])
    said = _said(tx, [run.id for run in runs.values() if run.state is not RunState.ENDED])
    found = []
    for row in rows:
        run = runs.get(row.n)
        at = run.id if run else ""
        found.append(Card(ticket_of(row, tuple(needs[row.n])), run, moved.get(at), said.get(at)))
    return found


def _needs(tx: SqlTx, numbers: Collection[int]) -> Mapping[int, list[int]]:
    query = select(s.dependency).where(s.dependency.c.ticket.in_(numbers)).order_by(s.dependency.c.needs)
    found: dict[int, list[int]] = defaultdict(list)
    for row in tx.connection.execute(query):
        found[row.ticket].append(row.needs)
    return found


def _newest_runs(tx: SqlTx, numbers: Collection[int]) -> Mapping[int, Run]:
    other = s.run.alias("other")
    newest = select(func.max(other.c.n)).where(other.c.ticket == s.run.c.ticket).scalar_subquery()
    query = select(s.run).where(s.run.c.ticket.in_(numbers), s.run.c.n == newest)
    return {row.ticket: run_of(row) for row in tx.connection.execute(query)}


def _moved(tx: SqlTx, runs: Collection[str]) -> Mapping[str, Event]:
    at = and_(s.event.c.run == s.run.c.id, s.event.c.version == s.run.c.version)
    query = select(s.event).select_from(s.event.join(s.run, at)).where(s.run.c.id.in_(runs))
    return {row.run: event_of(row) for row in tx.connection.execute(query)}


def _said(tx: SqlTx, runs: Collection[str]) -> Mapping[str, Event]:
    other = s.event.alias("other")
    newest = select(func.max(other.c.id)).where(other.c.run == s.run.c.id).correlate(s.run).scalar_subquery()
    joined = s.run.join(s.event, s.event.c.id == newest)
    query = select(s.event).select_from(joined).where(s.run.c.id.in_(runs))
    return {row.run: event_of(row) for row in tx.connection.execute(query)}
