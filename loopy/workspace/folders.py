"""Where things lie in the home, and how a folder is locked and made to vanish."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.errors import WorkspaceError

_PLAIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")


@dataclass(frozen=True, slots=True)
class Folders:
    """The three folders of the home that workspaces use; made on first use, for the owner alone."""

    repos: Path
    work: Path
    runs: Path

    def of_work(self, run_id: str) -> Path:
        """Return the folder of a run's clone and clean checkouts."""
        return self.work / plain(run_id)

    def of_run(self, run_id: str) -> Path:
        """Return the folder of a run's transcripts, evidence, receipt and private git dir."""
        return self.runs / plain(run_id)


def plain(name: str) -> str:
    """Return the name if it can safely be a folder's, else raise WorkspaceError."""
    if not _PLAIN.match(name) or ".." in name:
        raise WorkspaceError("workspace", f"{name[:80]!r} cannot name a folder", hint="letters, digits, . _ - only")
    return name


def make(folder: Path) -> Path:
    """Return the folder, made for the owner alone if it is not there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's kernel lock: one process and one thread at a time; freed by the kernel when a holder dies."""
    make(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def wipe(path: Path) -> bool:
    """Make the folder vanish at once (renamed away), then delete it; never follows a link. False if some of it stays."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    if not stat.S_ISDIR(mode):
        path.unlink()
        return True
    gone = path.with_name(f".gone-{uuid.uuid4().hex}")
    os.rename(path, gone)
    try:
        shutil.rmtree(gone)
    except OSError:
        _open_up(gone)
        shutil.rmtree(gone, ignore_errors=True)
    return not gone.exists()


def _open_up(folder: Path) -> None:
    """Give every folder below its write bit: checks leave read-only folders behind. Links are not followed."""
    with suppress(OSError):
        folder.chmod(0o700)
    for above, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(above, name)
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
