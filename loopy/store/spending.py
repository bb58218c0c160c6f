"""What turns have cost or reserved: one row for each claim that may spend."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, insert, select, update

from loopy.domain.run import Run
from loopy.store import schema as s
from loopy.store.rows import seconds, ticket_number
from loopy.store.session import Session


def put(session: Session, run: Run, micros: int, now: datetime, *, settled: bool) -> None:
    """Set what the run's claim has reserved, or has cost."""
    key = (s.spend.c.run == run.id, s.spend.c.turn == run.turn, s.spend.c.token == run.token)
    if session.execute(update(s.spend).where(*key).values(micros=micros, settled=settled)).rowcount == 0:
        row = {"run": run.id, "turn": run.turn, "token": run.token, "micros": micros, "settled": settled}
        session.execute(insert(s.spend), [row | {"account": run.account, "at": seconds(now)}])


def total(session: Session, run: str, ticket: str, account: str, since: datetime | None) -> int:
    """Return the sum of the rows that meet every condition that is given."""
    query = select(func.coalesce(func.sum(s.spend.c.micros), 0))
    if ticket:
        query = query.join(s.run, s.run.c.id == s.spend.c.run).where(s.run.c.ticket == ticket_number(ticket))
    query = query.where(s.spend.c.run == run) if run else query
    query = query.where(s.spend.c.account == account) if account else query
    query = query.where(s.spend.c.at >= seconds(since)) if since else query
    return int(session.scalar(query) or 0)
