"""The tables of a broker file, and how a connection to it is opened.

Only `upkeep.checkpoint` ever checkpoints while others write: SQLite before 3.51.3 can corrupt a log that two
connections checkpoint at once, so automatic checkpoints are off everywhere.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from loopy.domain.errors import BrokerError

VERSION = 1
BUSY_TIMEOUT_MS = 5_000
DELETE_HINT = "stop the workers and delete it: a broker file only carries wake-ups, so nothing is lost"

PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=NORMAL",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA temp_store=MEMORY",
)

TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS exchange(name TEXT PRIMARY KEY, type TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue(
  name TEXT PRIMARY KEY, expires_s REAL, ttl_s REAL, auto_delete INTEGER NOT NULL,
  connection TEXT, owner TEXT, used_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS binding(
  exchange TEXT NOT NULL, queue TEXT NOT NULL, routing_key TEXT NOT NULL, pattern TEXT,
  PRIMARY KEY(exchange, queue, routing_key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS binding_queue ON binding(queue);
CREATE TABLE IF NOT EXISTS owner(id TEXT PRIMARY KEY, pid INTEGER NOT NULL, started_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS consumer(tag TEXT PRIMARY KEY, queue TEXT NOT NULL, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS consumer_queue ON consumer(queue);
CREATE TABLE IF NOT EXISTS message(
  id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, priority INTEGER NOT NULL, payload TEXT NOT NULL,
  expires_at REAL, owner TEXT, delivery INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS message_ready ON message(queue, priority DESC, id) WHERE owner IS NULL;
CREATE INDEX IF NOT EXISTS message_owned ON message(owner) WHERE owner IS NOT NULL;
CREATE INDEX IF NOT EXISTS message_mortal ON message(expires_at) WHERE expires_at IS NOT NULL;
PRAGMA user_version={VERSION};
COMMIT;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open one connection to the file, creating it (0600); any thread may use it, one at a time.

    Call it under the writer lock. BrokerError when the file cannot be opened or is not a broker file of this version.
    """
    try:
        _create(path)
        con = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise unfit(path, error) from error
    try:
        _prepare(con, path)
    except sqlite3.Error as error:
        con.close()
        if "locked" in str(error):
            raise
        raise unfit(path, error) from error
    except BrokerError:
        con.close()
        raise
    return con


def _create(path: Path) -> None:
    # Only a file that is new: closing any descriptor of a database drops all of SQLite's (POSIX) locks that this
    # process holds on it, and then a neighbour that leaves last by its own count deletes the log under our feet.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare(con: sqlite3.Connection, path: Path) -> None:
    _refuse_strangers(con, path)
    for pragma in PRAGMAS:
        con.execute(pragma)
    if con.execute("PRAGMA user_version").fetchone()[0] == 0:
        con.executescript(TABLES)


def _refuse_strangers(con: sqlite3.Connection, path: Path) -> None:
    con.execute("BEGIN")  # one snapshot: another process may be creating the tables
    (version,) = con.execute("PRAGMA user_version").fetchone()
    (tables,) = con.execute("SELECT count(*) FROM sqlite_master").fetchone()
    con.execute("COMMIT")
    if version == 0 and tables:
        raise BrokerError(str(path), "this SQLite file is not a Loopy broker", hint="give the broker a path of its own")
    if version not in {0, VERSION}:
        raise BrokerError(str(path), f"the file has broker format {version}, not {VERSION}", hint=DELETE_HINT)


def unfit(path: Path, error: Exception) -> BrokerError:
    """Return the error that says why the file cannot serve, and what to do."""
    denied = isinstance(error, OSError) or "readonly" in str(error) or "unable to open" in str(error)
    hint = "check the path, its permissions and the free space" if denied else DELETE_HINT
    return BrokerError(str(path), f"the broker file cannot be used: {error}", hint=hint)


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the file itself is broken, so that trying again cannot help."""
    return not isinstance(error, sqlite3.OperationalError) and isinstance(error, sqlite3.DatabaseError)
