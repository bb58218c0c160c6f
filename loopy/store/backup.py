"""A work graph's copy in one file, made while others write, and a copy put back in the graph's place; nothing is ever deleted."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from loopy.domain.errors import MigrationError, NotFoundError, RefusedError, StoreError
from loopy.process.durable import sync_folder
from loopy.store.files import WriterLock
from loopy.store.migrate import known_revisions

NEIGHBOURS = ("-wal", "-shm")  # SQLite's own files beside a database; without them what they hold is lost
ESSENTIAL = {"ticket", "run", "outcome", "event", "effect", "receipt", "alembic_version"}


@dataclass(frozen=True, slots=True)
class Copy:
    """An intact copy: where it lies and what it holds."""

    path: Path
    size_bytes: int
    schema: str
    tickets: int


def backup(database: Path, to: Path, *, force: bool = False) -> Copy:
    """Copy the graph as it is at one moment into a file of mode 0600, look whether it is intact, then give it its name.

    Raises RefusedError when the file is there (unless `force`) or is the graph itself, StoreError when either is damaged.
    """
    if not database.exists():
        raise NotFoundError("work graph", f"there is none at {database}", hint="nothing was filed in this home yet")
    to = to.absolute()
    _demand_free(database, to, force=force)
    with _part(to) as part:
        _copy(database, part)
        schema, tickets = examine(part)
        size = part.stat().st_size
        try:
            os.rename(part, to) if force else os.link(part, to)  # a link never overwrites
        except FileExistsError as error:
            raise _there(to) from error
        except OSError as error:
            raise StoreError(str(to), f"cannot be written: {error.strerror}") from error
    sync_folder(to.parent)
    return Copy(to, size, schema, tickets)


def restore(database: Path, source: Path, at: datetime, ready: Callable[[], None]) -> tuple[Copy, Path | None]:
    """Put a copy of `source` in the graph's place; return it, and where the old graph lies now (None: there was none).

    `ready` raises while anybody works, and is asked with the writers' lock held. Raises RefusedError when a process has
    the graph open, StoreError when the source is no intact graph, MigrationError when it is newer than this version.
    """
    if not source.is_file():
        raise NotFoundError("backup", f"there is no file {source}")
    if database.exists() and source.samefile(database):
        raise RefusedError(str(source), "is the work graph itself", hint="name the copy to put in its place")
    with _part(database) as part:
        _copy(source, part)
        schema, tickets = examine(part)
        with closing(WriterLock(database, 5)) as lock, lock:
            ready()
            kept = _set_aside(database, at)
            os.rename(part, database)
    sync_folder(database.parent)
    return Copy(database, database.stat().st_size, schema, tickets), kept


def examine(path: Path) -> tuple[str, int]:
    """Return the schema and the number of tickets of an intact work graph. Raises StoreError for anything else."""
    try:
        with closing(_connect(path)) as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
            if found != ["ok"]:
                raise StoreError("work graph", f"is damaged: {found[0]}", hint="nothing was changed; use another copy")
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not tables >= ESSENTIAL:
                raise StoreError("file", "is a database, but no work graph of Loopy", hint="nothing was changed")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise StoreError("work graph", "is damaged: a row's owner is missing", hint="nothing was changed")
            schema = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
            tickets = int(connection.execute("SELECT count(*) FROM ticket").fetchone()[0])
    except (sqlite3.Error, TypeError) as error:
        raise StoreError("file", f"is no intact work graph: {error}", hint="nothing was changed") from error
    if schema not in known_revisions():
        raise MigrationError("work graph", f"the copy has schema {schema}, which is newer", hint="upgrade Loopy")
    return schema, tickets


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=5, isolation_level=None)


def _copy(source: Path, part: Path) -> None:
    """Copy by SQLite's own backup, in one reading transaction: a writer is neither stopped nor half seen."""
    try:
        with closing(_connect(source)) as old, closing(_connect(part)) as new:
            old.execute("PRAGMA wal_autocheckpoint=0")
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without neighbours
    except sqlite3.Error as error:
        raise StoreError(str(source), f"cannot be copied: {error}", hint="nothing was changed") from error


def _demand_free(database: Path, to: Path, *, force: bool) -> None:
    own = {database.with_name(database.name + end).resolve() for end in ("", *NEIGHBOURS, ".lock", ".migrate")}
    if to.resolve() in own:
        raise RefusedError(str(to), "belongs to the work graph itself", hint="name another file")
    if to.is_dir():
        raise RefusedError(str(to), "is a folder", hint="name a file in it")
    if not to.parent.is_dir():
        raise NotFoundError(str(to), f"there is no folder {to.parent}")
    if os.path.lexists(to) and not force:
        raise _there(to)


def _there(to: Path) -> RefusedError:
    return RefusedError(str(to), "is there already", hint="--force overwrites it")


def _set_aside(database: Path, at: datetime) -> Path | None:
    """Give the old graph a second name; its first one is taken by the new graph in one step, so there always is one.

    The log of a damaged graph keeps its bytes under a second name too: SQLite removes one that it cannot use.
    """
    kept = database.with_name(f"{database.name}.before-restore-{at:%Y%m%dT%H%M%SZ}")
    while os.path.lexists(kept):
        kept = kept.with_name(f"{kept.name}-{secrets.token_hex(2)}")
    log, kept_log = (path.with_name(path.name + "-wal") for path in (database, kept))
    if log.exists():
        os.link(log, kept_log)
    try:
        whole = _fold(database)
    except RefusedError:
        kept_log.unlink(missing_ok=True)
        raise
    if whole:
        kept_log.unlink(missing_ok=True)  # what it held is in the one file now
    for end in NEIGHBOURS:  # left of a damaged one: they must never be taken for the new graph's
        database.with_name(database.name + end).unlink(missing_ok=True)
    if not database.exists():
        return None
    os.link(database, kept)
    return kept


def _fold(database: Path) -> bool:
    """Fold the graph into one file, which SQLite does only when nobody else has it open; whether it could be read."""
    if not database.exists():
        return False
    try:
        with closing(_connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        if "locked" in str(error):
            hint = "close what shows or follows it (`loopy watch`, `loopy board`), then try again"
            raise RefusedError("work graph", "another process has it open", hint=hint) from error
        return False
    return True


@contextmanager
def _part(beside: Path) -> Iterator[Path]:
    """Make an empty file of mode 0600 in the same folder, and unlink what is left of it."""
    part = beside.with_name(f".{beside.name}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(str(beside), f"cannot be written: {error.strerror}") from error
    try:
        yield part
    finally:
        for end in ("", "-journal", *NEIGHBOURS):
            part.with_name(part.name + end).unlink(missing_ok=True)
