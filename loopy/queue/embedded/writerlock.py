"""One writer at a time: a mutex in this process, a short `flock` among processes.

SQLite's own busy handler sleeps up to 100 ms and starves publishers (8 writers: 437 ms worst, with a lock before the
transaction 47 ms). The lock only orders writers; SQLite's locks stay the guard of the file, so losing it loses nothing.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FIRST_NAP_S, LONGEST_NAP_S = 0.0001, 0.0005


class WriterLock:
    """The right to write to a broker file; not reentrant."""

    def __init__(self, path: Path) -> None:
        self.mutex = threading.Lock()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def held(self, patience_s: float) -> Iterator[None]:
        """Hold the lock; sqlite3.OperationalError when it is not free within `patience_s`."""
        deadline = time.monotonic() + patience_s
        if not self.mutex.acquire(timeout=patience_s):
            raise _busy(patience_s)
        try:
            self._lock_among_processes(deadline, patience_s)
            try:
                yield
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self.mutex.release()

    def _lock_among_processes(self, deadline: float, patience_s: float) -> None:
        # Polling, not a blocking flock: a writer that was stopped in mid-transaction must not hang its neighbours.
        nap_s = FIRST_NAP_S
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _busy(patience_s) from None
                time.sleep(nap_s)
                nap_s = min(nap_s * 1.5, LONGEST_NAP_S)
            else:
                return

    def close(self) -> None:
        """Give the descriptor back; a lock held by another copy of it (the parent of a fork) stays held."""
        os.close(self._fd)


def _busy(patience_s: float) -> sqlite3.OperationalError:
    return sqlite3.OperationalError(f"another process has been writing to the broker file for {patience_s:g} s")
