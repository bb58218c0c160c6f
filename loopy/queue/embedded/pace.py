"""How often an idle consumer looks: every ms while busy, then after a fiftieth of the time it has been idle, at most 50 ms.

After five seconds without work it looks ten times a second: each look wakes a sleeping processor, which costs ten times the look.
"""

from __future__ import annotations

FASTEST_S, SLOWEST_S = 0.001, 0.05
PART_OF_IDLE_TIME = 0.02
IDLE_AFTER_S, IDLE_S = 5.0, 0.1


class Pace:
    """The naps between two looks at the file; times from a monotonic clock."""

    def __init__(self) -> None:
        self._busy_at = float("-inf")  # nothing yet: idle since ever

    def busy(self, monotonic: float) -> None:
        """Note that there was something to do just now."""
        self._busy_at = monotonic

    def nap_s(self, monotonic: float) -> float:
        """Return how long to sleep before the next look."""
        idle = monotonic - self._busy_at
        if idle >= IDLE_AFTER_S:
            return IDLE_S
        return min(SLOWEST_S, max(FASTEST_S, idle * PART_OF_IDLE_TIME))
