"""The SQLite file's neighbours: the writers' lock that ends starvation, and the one checkpointer."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from loopy.domain.errors import AwayError, StoreError

PASSIVE_BYTES, TRUNCATE_BYTES = 4 << 20, 32 << 20
# Others write for 0.3 ms at a time. Longer naps starve: of four writers one waited 27 ms, now 8.
FIRST_NAP_S, LONGEST_NAP_S = 0.00003, 0.0005


class WriterLock:
    """A process mutex plus an flock beside the database, held around each writing transaction.

    SQLite's busy handler sleeps up to 100 ms and starves writers; the lock queues them (8 writers: p99 135 → 41 ms).
    Without a file it is the mutex alone: Postgres queues the processes, and a process waits there on one connection only.
    """

    def __init__(self, database: Path | None, patience_s: float) -> None:
        self._mutex, self._patience_s = threading.Lock(), patience_s
        self._file = None if database is None else database.with_name(database.name + ".lock")
        self._fd = -1

    def __enter__(self) -> None:
        if not self._mutex.acquire(timeout=self._patience_s):
            raise AwayError("work graph", "another thread is writing for too long", hint="try again")
        try:
            if self._file is not None:
                self._take(self._file)
        except BaseException:
            self._mutex.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._mutex.release()

    def _take(self, file: Path) -> None:
        if self._fd < 0:
            try:
                self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StoreError("work graph", f"cannot open {file}: {error.strerror}") from error
        give_up, nap_s = time.monotonic() + self._patience_s, FIRST_NAP_S
        while True:
            with suppress(BlockingIOError):
                return fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.monotonic() > give_up:
                raise AwayError("work graph", "another process is writing for too long", hint="is one of them stopped?")
            time.sleep(nap_s)
            nap_s = min(nap_s * 1.2, LONGEST_NAP_S)

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def to_disk(database: Path) -> None:
    """Wait until every commit so far would survive a power cut. Raises StoreError.

    What `synchronous=FULL` does at each commit, but after the writers' lock was given back: one wait serves many.
    """
    log = database.with_name(database.name + "-wal")
    try:
        fd = os.open(log, os.O_RDONLY | os.O_CLOEXEC)  # SQLite holds no lock on this file, so closing it drops none
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise StoreError(
            "work graph", f"{log} is not on the disk: {error.strerror}", hint="is the disk well?"
        ) from error


def checkpoint(database: Path, lock: WriterLock) -> None:
    """Run a passive checkpoint above 4 MiB of WAL, a truncating one (no commit can slip in) above 32 MiB."""
    try:
        size = database.with_name(database.name + "-wal").stat().st_size
    except FileNotFoundError:
        return
    if size < PASSIVE_BYTES:
        return
    with lock:  # with the writers' lock held there is one checkpointer, and no commit between two checkpoints
        connection = sqlite3.connect(database, timeout=5, isolation_level=None)
        try:
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if size > TRUNCATE_BYTES else 'PASSIVE'})")
        except sqlite3.Error as error:
            raise StoreError(
                "work graph", f"no checkpoint: {error}", hint="nothing is lost; the next one tries again"
            ) from error
        finally:
            connection.close()
