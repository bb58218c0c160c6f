"""The file in which a CLI states what its session used; a turn's part of it is what was not there before."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopy.agents.reading import Reading
from loopy.agents.spec import Spec

KEY = "usage_file"  # rows of the grammar find the file's content under it
MOST_BYTES = 4_000_000


class UsageFile:
    """One agent's file over the turns of one run, for the process that is started now.

    What the last turn stated is put aside, and forgotten when the session is a new one; so a file that is there
    afterwards is this turn's, and one that is not means that nothing is known.
    """

    def __init__(self, path: Path, *, resuming: bool) -> None:
        self._path, self._before = path, path.with_suffix(".before.json")
        if self._path.exists():
            os.replace(self._path, self._before)
        if not resuming:
            self._before.unlink(missing_ok=True)

    def of_this_turn(self, spec: Spec) -> dict[str, int]:
        """Return what the file says beyond what it said before, as fields of a usage; {} when it says nothing."""
        now, before = _tokens(spec, self._path), _tokens(spec, self._before)
        return {key: max(value - before.get(key, 0), 0) for key, value in now.items()}


def _tokens(spec: Spec, path: Path) -> dict[str, int]:
    reading = Reading(spec, lambda: datetime.now(UTC))
    list(reading.parsed({KEY: _content(path)}))
    return {key: value for key, value in reading.usage.model_dump().items() if value is not None}


def _content(path: Path) -> Mapping[str, Any] | None:
    """Return what the agent wrote there, if it is a plain file: a pipe would make us wait, a link lead out of the run."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            found = json.loads(file.read(MOST_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b"")
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
