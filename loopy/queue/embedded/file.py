"""One open broker file: two connections, the writer lock, wake-ups, and what is still owed to it.

The writer connection belongs to the holder of the writer lock. The reader connection never writes, so that its
`PRAGMA data_version` changes with every commit, this process's own included: a consumer that saw version v and found
nothing may sleep until it differs.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from loopy.queue.embedded import schema
from loopy.queue.embedded.owners import OwnerLock
from loopy.queue.embedded.writerlock import WriterLock

log = logging.getLogger(__name__)

PATIENCE_S = 10.0
BEFORE_FORK = "the broker file was opened before a fork"
Settlement = tuple[str, bool]  # (delivery tag, put it back?)


class Waker(Protocol):
    """Something that wakes a waiting consumer: a `threading.Event`."""

    def set(self) -> None:
        """Wake it."""


class BrokerFile:
    """An open broker file of this process; safe for threads, useless after a fork (`gone`)."""

    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        self.path = path
        self.owners = path.with_suffix(".owners")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock = WriterLock(path.with_suffix(".lock"))
        except OSError as error:
            raise schema.unfit(path, error) from error
        try:
            with self.lock.held(patience_s):
                self._writer = schema.connect(path)
                self._reader = schema.connect(path)
        except BaseException:
            self.lock.close()
            raise
        self._reading = threading.Lock()
        self._identity = _identity(path)
        self._wakers: frozenset[Waker] = frozenset()
        self._wakers_mutex = threading.Lock()
        self.users = 0  # counted by the registry
        self.gone = ""  # why this object must not be used any more
        self.owner: OwnerLock | None = None
        self.owed: deque[Settlement] = deque()  # acks and requeues that the disk refused

    # reading

    def version(self) -> int:
        """Return a number that differs after every commit by anybody; about 5 us."""
        return int(self.read("PRAGMA data_version")[0][0])

    def read(self, sql: str, args: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of one query, as of the last commit."""
        self._must_be_here()
        with self._reading, self._translated():
            self._must_be_here()
            return self._reader.execute(sql, args).fetchall()

    # writing

    @contextmanager
    def write(self, patience_s: float = PATIENCE_S) -> Iterator[sqlite3.Connection]:
        """Run one immediate transaction: committed at the end of the block, rolled back by any exception.

        sqlite3.OperationalError when the lock is not free in time, the disk refuses, or the file was replaced.
        """
        self._must_be_here()
        with self.lock.held(patience_s), self._translated():
            self._must_be_here()
            self._must_be_in_place()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._writer.execute("ROLLBACK")
                raise

    def copy_log(self) -> bool:
        """Copy what can be copied into the file without holding anybody up; return whether that was all of it."""
        busy, frames, copied = self.read("PRAGMA wal_checkpoint(PASSIVE)")[0]
        return not busy and frames == copied

    def truncate_log(self) -> None:
        """Copy the rest and cut the log off, in the writers' place: no commit can fall into it."""
        self._must_be_here()
        with self.lock.held(PATIENCE_S), self._translated():
            self._must_be_here()
            self._writer.execute("PRAGMA busy_timeout=100")  # readers take microseconds; else the next time will do
            try:
                self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._writer.execute(f"PRAGMA busy_timeout={schema.BUSY_TIMEOUT_MS}")

    @property
    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    # wake-ups

    def watch(self, waker: Waker) -> None:
        """Have `waker` set whenever this process makes a message ready."""
        with self._wakers_mutex:
            self._wakers |= {waker}

    def unwatch(self, waker: Waker) -> None:
        """Stop setting `waker`."""
        with self._wakers_mutex:
            self._wakers -= {waker}

    def wake(self) -> None:
        """Wake this process's consumers; those of others see the version."""
        for waker in self._wakers:
            waker.set()

    # ends

    def check_in_place(self) -> None:
        """Raise sqlite3.OperationalError when the path names another file by now: whoever uses this one must reopen."""
        self._must_be_here()
        self._must_be_in_place()

    def close(self) -> None:
        """Close both connections and end the ownership; the owner's row must be closed before."""
        self.gone = self.gone or "the broker file was closed"
        with self.lock.mutex, self._reading:
            self._writer.close()
            self._reader.close()
        if self.owner is not None:
            self.owner.release()
        self.lock.close()

    def forsake(self) -> None:
        """Leave everything to the parent process: called in a forked child, closes only what would lie about it."""
        self.gone = BEFORE_FORK
        if self.owner is not None:
            self.owner.abandon()
        self.lock.close()

    def _must_be_here(self) -> None:
        if self.gone:
            raise sqlite3.OperationalError(self.gone)

    def _must_be_in_place(self) -> None:
        if _identity(self.path) != self._identity:
            self.gone = "the broker file was deleted or replaced"
            log.warning("%s: %s; reconnecting", self.path, self.gone)
            raise sqlite3.OperationalError(self.gone)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if schema.is_damage(error):
                raise schema.unfit(self.path, error) from error
            raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    return there.st_dev, there.st_ino
