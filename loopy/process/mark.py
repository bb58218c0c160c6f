"""The variables by which a command's processes are known wherever they went: LOOPY_RUN, LOOPY_TOKEN and LOOPY_GUARD.

LOOPY_GUARD is unique per command and begins with a name of the lock file, for two homes on one host may both know a run
called LP-1.1, and neither may touch the other's processes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from loopy.process.command import Marker

_RUN, _TOKEN, _GUARD = b"LOOPY_RUN=", b"LOOPY_TOKEN=", b"LOOPY_GUARD="


def fresh_mark(lock: Path | None) -> bytes:
    """Return a LOOPY_GUARD variable (NAME=VALUE) that no other command has."""
    return _GUARD + _home(lock) + secrets.token_hex(8).encode()


def variables(marker: Marker, mark: bytes) -> dict[bytes, bytes]:
    """Return what is added to the command's environment."""
    pairs = (_RUN + marker.run_id.encode(), _TOKEN + b"%d" % marker.token, mark)
    return dict(pair.split(b"=", 1) for pair in pairs)


def token_in(environ: Sequence[bytes], lock: Path, run_id: str) -> int | None:
    """Return the token of a process with this environment if it acts for this very run, else None."""
    if _RUN + run_id.encode() not in environ:
        return None
    if not any(name.startswith(_GUARD + _home(lock)) for name in environ):
        return None
    tokens = [name.removeprefix(_TOKEN) for name in environ if name.startswith(_TOKEN)]
    return int(tokens[0]) if tokens and tokens[0].isdigit() else None


def _home(lock: Path | None) -> bytes:
    if lock is None:
        return b"none-"
    return hashlib.sha256(os.fsencode(os.path.realpath(lock))).hexdigest()[:16].encode() + b"-"
