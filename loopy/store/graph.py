"""Transactions on the work graph: one writer at a time; those that must survive a power cut wait for the disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import AwayError, FullError, StoreError
from loopy.domain.events import Event
from loopy.store import schema as s
from loopy.store.engines import BUSY_MS, engine_of, file_of
from loopy.store.files import WriterLock, checkpoint, to_disk
from loopy.store.records import SqlApprovals, SqlEffects, SqlFleet, SqlReceipts
from loopy.store.rows import event_of
from loopy.store.runs import SqlRuns
from loopy.store.session import Session, Sessions
from loopy.store.tickets import SqlTickets

POSTGRES_DISK_FULL = "53100"  # class 53, insufficient resources; Postgres, appendix A
NEWEST_TRANSACTION = text("SELECT txid_snapshot_xmax(txid_current_snapshot())")


@dataclass(frozen=True)
class SqlTx:
    """One transaction; the parts share its connection and its time."""

    session: Session
    now: datetime

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, for what is asked seldom."""
        return self.session.connection

    @cached_property
    def runs(self) -> SqlRuns:
        """Runs, outcomes, attempts and events."""
        return SqlRuns(self.session, self.now)

    @cached_property
    def tickets(self) -> SqlTickets:
        """Tickets, dependencies and comments."""
        return SqlTickets(self.session, self.now)

    @cached_property
    def effects(self) -> SqlEffects:
        """Intents and their ends."""
        return SqlEffects(self.session)

    @cached_property
    def approvals(self) -> SqlApprovals:
        """Gates and their answers."""
        return SqlApprovals(self.session, self.now)

    @cached_property
    def receipts(self) -> SqlReceipts:
        """The chain of receipts."""
        return SqlReceipts(self.session)

    @cached_property
    def fleet(self) -> SqlFleet:
        """Cooldowns, workers, audit."""
        return SqlFleet(self.session, self.now)


@dataclass
class SqlGraph:
    """`engine.graph.Graph` on a database URL; safe for many threads and, on one host, many processes."""

    url: str
    clock: Callable[[], datetime]
    patience_s: float = BUSY_MS / 1000  # of a writer for the others
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def path(self) -> Path | None:
        """The SQLite file, None on Postgres."""
        return file_of(self.url)

    @cached_property
    def _writer(self) -> Sessions:
        return Sessions(engine_of(self.url, write=True, patience_s=self.patience_s), "BEGIN IMMEDIATE")

    @cached_property
    def _reader(self) -> Sessions:
        return Sessions(engine_of(self.url, write=False), "BEGIN")

    @cached_property
    def _look(self) -> Connection:
        return self._reader.engine.connect()

    @cached_property
    def _lock(self) -> WriterLock:
        return WriterLock(self.path, self.patience_s)

    @contextmanager
    def write(self, *, full: bool = False) -> Iterator[SqlTx]:
        """Open a writing transaction; a `full` one is on the disk when the block ends.

        The disk is waited for after the others have been let in: they may see it a moment before a power cut could not
        undo it, and none of theirs outlives a power cut that it does not. Raises StoreError when the database is locked,
        full or unreadable.
        """
        with self._lock, self._translated(), self._writer.transaction() as session:
            yield SqlTx(session, self.clock())
            crashpoint("store.before_commit")
        crashpoint("store.after_commit")
        if full and self.path is not None:
            to_disk(self.path)

    @contextmanager
    def read(self) -> Iterator[SqlTx]:
        """Open a reading transaction: a consistent snapshot that blocks nobody."""
        with self._translated(), self._reader.transaction() as session:
            yield SqlTx(session, self.clock())

    def version(self) -> int:
        """Return a number that changes with every commit: SQLite's data version (5 µs), or Postgres's newest transaction."""
        with self._mutex, self._translated():
            if self.path is None:
                with self._reader.engine.connect() as connection:
                    return connection.scalar(NEWEST_TRANSACTION) or 0
            driver = self._look.connection.driver_connection
            return int(driver.execute("PRAGMA data_version").fetchone()[0])  # type: ignore[union-attr]

    def events(self, after: int, run: str = "", limit: int = 500) -> Sequence[Event]:
        """Return events with id above `after`, oldest first."""
        query = select(s.event).where(s.event.c.id > after).order_by(s.event.c.id).limit(limit)
        with self._translated(), self._reader.engine.connect() as connection:
            rows = connection.execute(query.where(s.event.c.run == run) if run else query)
            return [event_of(r) for r in rows]

    def checkpoint(self) -> None:
        """Fold the WAL back when it has grown; only one process does it at a time."""
        if self.path is not None:
            checkpoint(self.path, self._lock)

    def close(self) -> None:
        """Give all connections back; the graph can be used again."""
        for name in ("_look", "_writer", "_reader", "_lock"):
            made = self.__dict__.pop(name, None)
            if made is not None:
                made.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            cause = getattr(error, "orig", error)
            said = " ".join(str(cause).split())
            away = isinstance(error, OperationalError | sqlite3.OperationalError)
            away = away or getattr(error, "connection_invalidated", False)
            kind = FullError if _full(cause) else AwayError if away else StoreError
            raise kind("work graph", said, hint=_hint(said) if away else "") from error


def _full(said: object) -> bool:
    code = getattr(said, "sqlite_errorcode", None) or getattr(said, "sqlstate", None)
    return code in (sqlite3.SQLITE_FULL, POSTGRES_DISK_FULL)


def _hint(message: str) -> str:
    for word, hint in (
        ("lock timeout", "another process is writing for too long; is one of them stopped?"),
        ("locked", "another process holds the database; try again"),
        ("full", "free some disk space; nothing was half-written"),
        ("readonly", "check the permissions of the home folder"),
        ("malformed", "restore a backup: the file is damaged"),
        ("no such table", "run any command once to migrate, or `loopy doctor`"),
    ):
        if word in message:
            return hint
    return "`loopy doctor` looks at the home folder"
