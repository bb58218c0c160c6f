"""The crash harness's hook: `LOOPY_CRASH=name:n` kills this process at the n-th visit of a crash point; off otherwise."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Mapping

from loopy.domain.crashpoints import install


def arm(env: Mapping[str, str]) -> None:
    """Install the hook when the environment asks for it."""
    wanted = env.get("LOOPY_CRASH", "")
    if not wanted:
        return
    name, _, nth = wanted.partition(":")
    visits: Counter[str] = Counter()

    def die(point: str) -> None:
        visits[point] += 1
        if point == name and visits[point] >= int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    install(die)
