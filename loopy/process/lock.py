"""The kernel lock of a run: held by whoever may act for it, released by the kernel however the holder ends."""

from __future__ import annotations

import fcntl
import os


def try_lock(path: str | bytes | os.PathLike[str]) -> int | None:
    """Return a descriptor that holds the kernel lock of the file now at `path`, None while another has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, there = os.fstat(fd), os.stat(path)
        if (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass  # taken, or the file was replaced under our hands
    os.close(fd)
    return None


def sign(fd: int, record: bytes) -> None:
    """Write into the locked file who holds it; b"" before it is given back in order."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, record, 0)
