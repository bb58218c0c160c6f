"""Upkeep: free the messages of dead consumers, expire what is old, keep the log short.

Any draining process does it, several times a second; every act is idempotent and its own transaction.
"""

from __future__ import annotations

import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

from loopy.queue.embedded import topology
from loopy.queue.embedded.file import BrokerFile
from loopy.queue.embedded.messages import settle_owed
from loopy.queue.embedded.owners import lock_of_the_dead

REAP_EVERY_S = 0.25
EXPIRE_EVERY_S = 1.0
TIDY_EVERY_S = 60.0
PASSIVE_ABOVE = 4 * 1024 * 1024
TRUNCATE_ABOVE = 32 * 1024 * 1024


class Upkeep:
    """What one process does for a broker file, each part at its own pace; times from a monotonic clock."""

    def __init__(self, file: BrokerFile) -> None:
        self._file = file
        self._mutex = threading.Lock()
        self._reap_at = self._expire_at = self._tidy_at = float("-inf")

    def due(self, monotonic: float, now: float) -> None:
        """Do what is due; at once when another thread is at it or nothing is due."""
        if monotonic < self._reap_at or not self._mutex.acquire(blocking=False):
            return
        try:
            self._file.check_in_place()
            self._reap_at = monotonic + REAP_EVERY_S
            free_the_dead(self._file, now)
            settle_owed(self._file)
            if monotonic >= self._expire_at:
                self._expire_at = monotonic + EXPIRE_EVERY_S
                expire(self._file, now)
                checkpoint(self._file)
            if monotonic >= self._tidy_at:
                self._tidy_at = monotonic + TIDY_EVERY_S
                tidy(self._file)
        finally:
            self._mutex.release()


def free_the_dead(file: BrokerFile, now: float) -> int:
    """Make the messages of dead consumers ready again, drop what lived for them; return how many messages."""
    freed = 0
    own = file.owner.id if file.owner is not None else ""
    for (owner,) in file.read("SELECT id FROM owner WHERE id<>?", (own,)):
        with lock_of_the_dead(file.owners, owner) as dead:
            if dead:
                freed += _close_row(file, owner, now)
    if freed:
        file.wake()
    return freed


def _close_row(file: BrokerFile, owner: str, now: float) -> int:
    with file.write() as con:
        freed = con.execute("UPDATE message SET owner=NULL WHERE owner=?", (owner,)).rowcount
        queues = [row[0] for row in con.execute("SELECT queue FROM consumer WHERE owner=?", (owner,))]
        con.execute("DELETE FROM consumer WHERE owner=?", (owner,))
        topology.drop_unused(con, queues, now)
        exclusive = [row[0] for row in con.execute("SELECT name FROM queue WHERE owner=?", (owner,))]
        topology.drop_queues(con, exclusive)
        con.execute("DELETE FROM owner WHERE id=?", (owner,))
    return freed


UNUSED = (
    "SELECT name FROM queue WHERE expires_s IS NOT NULL AND used_at + expires_s <= ?"
    " AND NOT EXISTS (SELECT 1 FROM consumer WHERE consumer.queue = queue.name)"
)


def expire(file: BrokerFile, now: float) -> None:
    """Delete messages past their time and queues that nobody has used for theirs."""
    dated = file.read("SELECT 1 FROM message WHERE owner IS NULL AND expires_at <= ? LIMIT 1", (now,))
    if not dated and not file.read(UNUSED + " LIMIT 1", (now,)):
        return
    with file.write() as con:
        con.execute("DELETE FROM message WHERE owner IS NULL AND expires_at <= ?", (now,))
        topology.drop_queues(con, [row[0] for row in con.execute(UNUSED, (now,)).fetchall()])


def tidy(file: BrokerFile) -> None:
    """Unlink owner files without a row, which a process left that died between two acts."""
    with suppress(FileNotFoundError):
        known = {row[0] for row in file.read("SELECT id FROM owner")}
        for name in os.listdir(file.owners):
            if name not in known:
                _unlink_if_dead(file, name)


def _unlink_if_dead(file: BrokerFile, name: str) -> None:
    # The lock is free only of the dead and of the newborn; a newborn notices that its file is gone and starts again.
    with lock_of_the_dead(file.owners, name):
        pass


def checkpoint(file: BrokerFile) -> None:
    """Copy the log into the file when it has grown, as the only checkpointer of all processes.

    Beside the writers while it is small; in their place, and then cut off, when it was copied whole or is too long.
    """
    if file.log_bytes <= PASSIVE_ABOVE:
        return
    with suppress(BlockingIOError), _Keeper(file.path.with_suffix(".keeper")):
        if file.copy_log() or file.log_bytes > TRUNCATE_ABOVE:
            file.truncate_log()


class _Keeper:
    """The lock of the one checkpointer; BlockingIOError when another process holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
