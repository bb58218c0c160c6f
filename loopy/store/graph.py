"""Transactions on the work graph: one writer at a time on SQLite, a FULL-sync twin for what must survive a power cut."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import QueuePool

from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import StoreError
from loopy.domain.events import Event
from loopy.store import schema as s
from loopy.store.files import WriterLock, checkpoint
from loopy.store.records import SqlApprovals, SqlEffects, SqlFleet, SqlReceipts
from loopy.store.rows import event_of
from loopy.store.runs import SqlRuns
from loopy.store.tickets import SqlTickets

BUSY_MS = 30_000


@dataclass(frozen=True)
class SqlTx:
    """One transaction; the parts share its connection and its time."""

    connection: Connection
    now: datetime

    @cached_property
    def runs(self) -> SqlRuns:
        """Runs, outcomes, attempts and events."""
        return SqlRuns(self.connection, self.now)

    @cached_property
    def tickets(self) -> SqlTickets:
        """Tickets, dependencies and comments."""
        return SqlTickets(self.connection, self.now)

    @cached_property
    def effects(self) -> SqlEffects:
        """Intents and their ends."""
        return SqlEffects(self.connection)

    @cached_property
    def approvals(self) -> SqlApprovals:
        """Gates and their answers."""
        return SqlApprovals(self.connection, self.now)

    @cached_property
    def receipts(self) -> SqlReceipts:
        """The chain of receipts."""
        return SqlReceipts(self.connection)

    @cached_property
    def fleet(self) -> SqlFleet:
        """Cooldowns, workers, audit."""
        return SqlFleet(self.connection, self.now)


def _engine(url: str, *, write: bool, full: bool = False) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_size=5, max_overflow=20, pool_pre_ping=True, isolation_level="READ COMMITTED")
    size = 1 if write else 4
    made = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0 if write else 28,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )
    sync = "FULL" if full else "NORMAL"

    @event.listens_for(made, "connect")
    def _set_up(dbapi: object, _record: object) -> None:
        dbapi.isolation_level = None  # type: ignore[attr-defined]  # sqlite3.Connection: we begin ourselves
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            f"synchronous={sync}",
            "foreign_keys=ON",
            "wal_autocheckpoint=0",  # one checkpointer only: the WAL-reset bug of SQLite < 3.51.3
            "journal_size_limit=67108864",
            "temp_store=MEMORY",
        ):
            dbapi.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]
        if not write:
            dbapi.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return made


@dataclass
class SqlGraph:
    """`engine.graph.Graph` on a database URL; safe for many threads and, on one host, many processes."""

    url: str
    clock: Callable[[], datetime]
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def path(self) -> Path | None:
        """The SQLite file, None on Postgres."""
        database = make_url(self.url).database
        return Path(database) if self.url.startswith("sqlite") and database else None

    @cached_property
    def _writer(self) -> Engine:
        return _engine(self.url, write=True)

    @cached_property
    def _full(self) -> Engine:
        return _engine(self.url, write=True, full=True) if self.path else self._writer

    @cached_property
    def _reader(self) -> Engine:
        return _engine(self.url, write=False)

    @cached_property
    def _look(self) -> Connection:
        return self._reader.connect()

    @cached_property
    def _lock(self) -> WriterLock:
        return WriterLock(self.path, BUSY_MS / 1000)

    @contextmanager
    def write(self, *, full: bool = False) -> Iterator[SqlTx]:
        """Open a writing transaction. Raises StoreError when the database is locked, full or unreadable."""
        engine = self._full if full else self._writer
        with self._lock, self._translated(), engine.connect() as connection:
            with connection.begin():
                yield SqlTx(connection, self.clock())
                crashpoint("store.before_commit")
            crashpoint("store.after_commit")

    @contextmanager
    def read(self) -> Iterator[SqlTx]:
        """Open a reading transaction: a consistent snapshot that blocks nobody."""
        with self._translated(), self._reader.connect() as connection, connection.begin():
            yield SqlTx(connection, self.clock())

    def version(self) -> int:
        """Return SQLite's data version as this process sees it (5 µs), or Postgres's newest event id."""
        with self._mutex, self._translated():
            if self.path is None:
                with self._reader.connect() as connection:
                    return connection.scalar(select(s.event.c.id).order_by(s.event.c.id.desc()).limit(1)) or 0
            driver = self._look.connection.driver_connection
            return int(driver.execute("PRAGMA data_version").fetchone()[0])  # type: ignore[union-attr]

    def events(self, after: int, run: str = "", limit: int = 500) -> Sequence[Event]:
        """Return events with id above `after`, oldest first."""
        query = select(s.event).where(s.event.c.id > after).order_by(s.event.c.id).limit(limit)
        with self._translated(), self._reader.connect() as connection:
            rows = connection.execute(query.where(s.event.c.run == run) if run else query)
            return [event_of(r) for r in rows]

    def checkpoint(self) -> None:
        """Fold the WAL back when it has grown; only one process does it at a time."""
        if self.path is not None:
            checkpoint(self.path, self._lock)

    def close(self) -> None:
        """Give all connections back; the graph can be used again."""
        for name in ("_look", "_writer", "_full", "_reader", "_lock"):
            made = self.__dict__.pop(name, None)
            if isinstance(made, Engine):
                made.dispose()
            elif made is not None:
                made.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise StoreError("work graph", str(error.orig), hint=_hint(str(error.orig))) from error
        except DBAPIError as error:
            raise StoreError("work graph", str(error.orig)) from error


def _hint(message: str) -> str:
    for word, hint in (
        ("locked", "another process holds the database; try again"),
        ("full", "free some disk space; nothing was half-written"),
        ("readonly", "check the permissions of the home folder"),
        ("malformed", "restore a backup: the file is damaged"),
        ("no such table", "run any command once to migrate, or `loopy doctor`"),
    ):
        if word in message:
            return hint
    return "`loopy doctor` looks at the home folder"
