"""SQLAlchemy's engines as the work graph needs them: a writer that queues before it reads anything, readers that block nobody."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event, make_url, text
from sqlalchemy.pool import QueuePool

BUSY_MS = 30_000
# The advisory locks of a database are one space of numbers for everybody in it; these are "loopy" and "loopz".
WRITING, MIGRATING = 0x6C6F6F7079, 0x6C6F6F707A
SERVER_GONE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
QUEUE = text(f"SELECT pg_advisory_xact_lock({WRITING})")


def file_of(url: str) -> Path | None:
    """Return the SQLite file of a URL, None for a server or for a graph in memory."""
    database = make_url(url).database
    return Path(database) if url.startswith("sqlite") and database else None


def engine_of(url: str, *, write: bool, patience_s: float = BUSY_MS / 1000) -> Engine:
    """Return a new engine. On SQLite whoever uses it begins and commits by himself, see `session.Sessions`."""
    return _sqlite(url, write=write) if url.startswith("sqlite") else _postgres(url, write, patience_s)


@cache
def _compiled() -> tuple[Dialect, dict[Any, Any]]:
    """Return the dialect and the statement cache of all SQLite engines here: a statement is compiled once, not per engine."""
    return create_engine("sqlite://").dialect, {}


def _sqlite(url: str, *, write: bool) -> Engine:
    size, (dialect, statements) = 1 if write else 4, _compiled()
    made = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0 if write else 28,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
        execution_options={"compiled_cache": statements},
    )
    made.dialect = dialect

    @event.listens_for(made, "connect")
    def _set_up(dbapi: object, _record: object) -> None:
        dbapi.isolation_level = None  # type: ignore[attr-defined]  # sqlite3.Connection: we begin ourselves
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "wal_autocheckpoint=0",  # one checkpointer only: the WAL-reset bug of SQLite < 3.51.3
            "journal_size_limit=67108864",
            "temp_store=MEMORY",
        ):
            dbapi.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]
        if not write:
            dbapi.execute("PRAGMA query_only=ON")  # type: ignore[attr-defined]

    return made


def _postgres(url: str, write: bool, patience_s: float) -> Engine:
    """Return a writer whose transactions follow each other as on SQLite, or a reader of snapshots.

    READ COMMITTED is right for the writer only because of the lock: whoever has it sees all that the last one did. A
    server ends the transaction of a writer that says nothing for two thirds of the others' patience (a stopped process,
    a host that is gone).
    """
    asked = make_url(url).query.get("options", ())
    options = [*([asked] if isinstance(asked, str) else asked), "-c client_encoding=UTF8"]
    if write:
        options.append(f"-c lock_timeout={int(patience_s * 1000)}")
        options.append(f"-c idle_in_transaction_session_timeout={int(patience_s * 2000 / 3)}")
    made = create_engine(
        url,
        pool_size=1 if write else 4,
        max_overflow=0 if write else 28,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED" if write else "REPEATABLE READ",
        execution_options={} if write else {"postgresql_readonly": True},
        connect_args={**SERVER_GONE, "options": " ".join(options)},
    )

    @event.listens_for(made, "connect")
    def _set_up(dbapi: object, _record: object) -> None:
        dbapi.adapters.register_dumper(str, _dumper())  # type: ignore[attr-defined]  # psycopg.Connection

    if write:

        @event.listens_for(made, "begin")
        def _begin(connection: Connection) -> None:
            connection.execute(QUEUE)

    return made


@cache
def _dumper() -> Any:
    """Return what writes a `str`: Postgres has no NUL in text, and one in an agent's words must not stop its run."""
    from psycopg.adapt import Buffer, Dumper

    class Text(Dumper):
        oid = 25

        def dump(self, obj: str) -> Buffer:
            return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()

    return Text
