"""A work graph that cannot be used, in words: which file it is, whether it or its disk is at fault, and what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from loopy.domain.errors import BrokerError, FullError, LoopyError, StoreError

DAMAGED = ("file is not a database", "database disk image is malformed")
DO = (
    "keep a copy of it, then put a backup in its place, or move it away to begin anew; `loopy doctor` looks at the rest"
)
REFUSED = (  # what SQLite and the system say when the disk is at fault, and when something else is
    "unable to open database file",
    "disk I/O error",
    "database or disk is full",
    "readonly database",
    "No space left",
    "Read-only file system",
)
FULL = ("the disk is full", "free some space, for even a look needs a little; nothing was half-written")
READ_ONLY = ("is on a read-only file system", "mount it writable, or set LOOPY_HOME")
OF_THE_DISK: Mapping[int | None, tuple[str, str]] = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY}


def told(error: LoopyError) -> LoopyError:
    """Return the error as people are told it: one of a damaged file, or of a disk, is told as that."""
    if not isinstance(error, StoreError | BrokerError):
        return error
    if isinstance(error, StoreError) and (words := next((words for words in DAMAGED if words in error.what), "")):
        return type(error)(_file() or error.where, f"the work graph is damaged: {words}", hint=DO)
    if any(words in error.what for words in REFUSED) and (file := _file()) and (fault := disk_fault(Path(file).parent)):
        return (FullError if fault is FULL and isinstance(error, StoreError) else type(error))(file, *fault)
    return error


def disk_fault(folder: Path) -> tuple[str, str] | None:
    """Return what is wrong with the disk that the folder is on, and what to do; None when it can be written to."""
    from loopy.process.space import is_full

    try:
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except OSError:
        return None
    return READ_ONLY if read_only else FULL if is_full(folder) else None


def _file() -> str:
    """Return the work graph's file, "" where the settings cannot be read or name a server."""
    from loopy.settings.load import load_settings

    try:
        url = load_settings(os.environ).database_url
    except LoopyError:
        return ""
    return url.partition(":///")[2].partition("?")[0] if url.startswith("sqlite") else ""
