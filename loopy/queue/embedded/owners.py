"""The kernel lock that says whether a consumer still lives.

An owner is a process that consumes. Its file is created under a temporary name, locked, renamed to `owners/<id>`, and
only then does its row appear in the broker file: a row therefore means a locked file. The kernel drops the lock at
death, SIGKILL included. Who can take the lock, and finds that the path still names the file it locked, may close the
row; the file goes only after the row is closed.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".new-"


class OwnerLock:
    """The lock of one living consumer process; create it while no other thread can fork."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            self.id = uuid.uuid4().hex
            self._path = folder / self.id
            temporary = folder / f"{TEMPORARY}{self.id}"
            self._fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _locked(self._fd) and _renamed(temporary, self._path) and is_same(self._fd, self._path):
                return
            os.close(self._fd)  # a tidier took the young file away: start again under another name

    def abandon(self) -> None:
        """Close the descriptor alone, as a forked child must: the lock stays with the parent."""
        os.close(self._fd)

    def release(self) -> None:
        """Give up the lock, once the owner's row is closed."""
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


@contextmanager
def lock_of_the_dead(folder: Path, owner_id: str) -> Iterator[bool]:
    """Yield whether the owner is dead, holding its lock meanwhile; a file that is gone belonged to the dead.

    A yielded True is the right to close its row; afterwards the file is unlinked.
    """
    path = folder / owner_id
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        dead = _locked(fd) and is_same(fd, path)
        yield dead
        if dead:
            path.unlink(missing_ok=True)
    finally:
        os.close(fd)


def is_same(fd: int, path: Path) -> bool:
    """Return whether `path` still names the file behind the descriptor."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _renamed(old: Path, new: Path) -> bool:
    try:
        old.rename(new)
    except FileNotFoundError:
        return False
    return True
