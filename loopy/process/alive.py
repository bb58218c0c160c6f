"""The kernel lock that says whether a worker process lives: held from start to death, SIGKILL included (rule 7)."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loopy.process.lock import try_lock


@dataclass(frozen=True, slots=True)
class Alive:
    """A held lock; keep it until the process ends."""

    path: Path
    fd: int

    def release(self) -> None:
        """Unlink while the lock is held, then let go."""
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self.fd)


def hold(folder: Path, worker: str) -> Alive:
    """Lock a temporary file, then rename it to its name: whoever sees the name sees it locked."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, temporary = folder / worker, folder / f".{secrets.token_hex(8)}"
    fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.rename(temporary, path)
    return Alive(path, fd)


def is_dead(folder: Path, worker: str) -> bool:
    """Whether the worker's lock is free, or its file gone; a living one's is neither."""
    path = folder / worker
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def bury(folder: Path, worker: str) -> None:
    """Unlink a dead worker's file; only after its row is closed."""
    fd = try_lock(str(folder / worker)) if (folder / worker).exists() else None
    if fd is not None:
        with suppress(FileNotFoundError):
            os.unlink(folder / worker)
        os.close(fd)
