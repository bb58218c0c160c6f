"""Tickets, dependencies and comments inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from loopy.domain.errors import NotFoundError, RefusedError
from loopy.domain.run import Run
from loopy.domain.ticket import Comment, Ticket, TicketId
from loopy.store import schema as s
from loopy.store.rows import run_of, seconds, stored, ticket_id, ticket_number, ticket_of
from loopy.store.session import Prepared, Session, insertion

GET = Prepared(select(s.ticket).where(s.ticket.c.n == bindparam("n")))
NEEDS = Prepared(select(s.dependency.c.needs).where(s.dependency.c.ticket == bindparam("n")).order_by("needs"))
RUNS_OF = Prepared(select(s.run).where(s.run.c.ticket == bindparam("n")).order_by(s.run.c.n))
NEWEST = Prepared(select(func.max(s.ticket.c.n)))
GIVEN = ("title", "body", "repo", "assignee", "priority", "source")
ADD = insertion(s.ticket, *GIVEN, "n", "labels", "source_trust", "created_at")
DEPENDENTS = Prepared(select(s.dependency.c.ticket).where(s.dependency.c.needs == bindparam("needs")))


@cache
def _changing(columns: frozenset[str]) -> Prepared:
    """Return the update of these columns."""
    values: dict[str, Any] = {name: bindparam(name) for name in sorted(columns)}
    return Prepared(update(s.ticket).where(s.ticket.c.n == bindparam("of")).values(values))


class SqlTickets:
    """`engine.graph.Tickets` on a connection."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._c, self._now = session, now

    def add(self, ticket: Ticket) -> Ticket:
        n = 1 + (self._c.scalar(NEWEST) or 0)
        for needed in ticket.depends_on:
            if self.get(needed) is None:
                raise NotFoundError(
                    "ticket.depends_on", f"there is no ticket {needed}", hint="`loopy ticket list` shows all"
                )
        row = {name: getattr(ticket, name) for name in GIVEN}
        row |= {"n": n, "labels": json.dumps(ticket.labels), "source_trust": str(ticket.source_trust)}
        self._c.execute(ADD, row | {"created_at": seconds(ticket.created_at)})
        if ticket.depends_on:
            edges = [{"ticket": n, "needs": ticket_number(d)} for d in ticket.depends_on]
            self._c.execute(insert(s.dependency), edges)
        return ticket.model_copy(update={"id": ticket_id(n)})

    def get(self, ticket_id: str) -> Ticket | None:
        n = ticket_number(ticket_id)
        row = self._c.execute(GET, {"n": n}).first()
        return ticket_of(row, self._needs(n)) if row else None

    def _needs(self, n: int) -> tuple[int, ...]:
        return tuple(self._c.scalars(NEEDS, {"n": n}))

    def change(self, ticket_id: str, **changes: Any) -> None:
        n = ticket_number(ticket_id)
        if self._c.execute(_changing(frozenset(changes)), {"of": n, **stored(changes)}).rowcount != 1:
            raise RefusedError(ticket_id, "there is no such ticket", hint="`loopy ticket list` shows all")

    def all(self, *, open_only: bool = False, limit: int = 500) -> Sequence[Ticket]:
        """Return tickets, newest first."""
        query = select(s.ticket).order_by(s.ticket.c.n.desc()).limit(limit)
        rows = self._c.execute(query.where(s.ticket.c.closed_at.is_(None)) if open_only else query)
        return [ticket_of(r, self._needs(r.n)) for r in rows]

    def runs(self, ticket_id: str) -> Sequence[Run]:
        rows = self._c.execute(RUNS_OF, {"n": ticket_number(ticket_id)})
        return [run_of(r) for r in rows]

    def dependents(self, ticket_id_: str) -> Sequence[TicketId]:
        return [ticket_id(n) for n in self._c.scalars(DEPENDENTS, {"needs": ticket_number(ticket_id_)})]

    def comment(self, comment: Comment) -> None:
        row = {
            "ticket": ticket_number(comment.ticket),
            "by": comment.by,
            "text": comment.text,
            "at": seconds(comment.at),
        }
        self._c.execute(insert(s.comment), [row])

    def comments(self, ticket_id_: str) -> Sequence[Comment]:
        """Return a ticket's comments, oldest first."""
        n = ticket_number(ticket_id_)
        rows = self._c.execute(select(s.comment).where(s.comment.c.ticket == n).order_by(s.comment.c.id))
        from loopy.store.rows import moment_of

        return [Comment(ticket=ticket_id(n), by=r.by, text=r.text, at=moment_of(r.at)) for r in rows]
