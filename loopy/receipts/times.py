"""Whether the time that a receipt states can be true beside what came before it.

Clocks differ, and only the signer's is asked: a time that cannot be right is a note to whoever reads, and no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import Statement
from loopy.receipts import dsse
from loopy.receipts.against_git import GitReader
from loopy.receipts.reading import read_statement

CLOCK_SLACK = timedelta(minutes=5)  # between the clocks of two hosts; the receipts of a log have one clock


def doubts(statement: Statement, repo: GitReader | None, previous: bytes | None) -> Iterator[str]:
    """Say what is later than the receipt although it was there before: its base commit, the receipt before it."""
    shipped, record = statement.predicate.time_shipped, statement.predicate.repo
    base = repo.time_of(record.base.digest.git_commit) if repo and record else None
    if base is not None and shipped < base - CLOCK_SLACK:
        yield _early(shipped, "the commit that it stands on", base)
    before = _time_of(previous) if previous is not None else None
    if before is not None and shipped < before:
        yield _early(shipped, f"receipt {statement.predicate.chain.seq - 1} of its log", before)


def _early(shipped: datetime, what: str, when: datetime) -> str:
    said = f"{shipped:%Y-%m-%d %H:%M:%SZ} is earlier than {what}, {when:%Y-%m-%d %H:%M:%SZ}"
    return f"{said}: a clock was wrong, or the receipt is dated back"


def _time_of(envelope: bytes) -> datetime | None:
    try:
        statement = read_statement(dsse.parse(envelope).payload).statement
    except ReceiptError:
        return None  # the finding about the chain says so
    return statement.predicate.time_shipped if statement else None
