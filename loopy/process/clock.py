"""A clock that counts only time in which this process was awake to look; the guard uses it too."""

from __future__ import annotations

import time

TYPE_CHECKING = False  # importing `typing` would cost the guard 5 ms
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_GAP_S = 2.0  # a longer gap between two looks means that we slept, not that the others did


class AwakeClock:
    """Seconds since the start; a gap between two looks counts at most two of them (suspend, SIGSTOP, swapping)."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen = monotonic()
        self._awake = 0.0

    def look(self) -> float:
        """Return the seconds counted so far."""
        now = self._monotonic()
        self._awake += min(now - self._seen, LONGEST_GAP_S)
        self._seen = now
        return self._awake
