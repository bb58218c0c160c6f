"""How often an idle consumer looks: 2 ms while busy, then a tenth of the time it has been idle, at most 50 ms."""

from __future__ import annotations

FASTEST_S, SLOWEST_S = 0.002, 0.05
PART_OF_IDLE_TIME = 0.1


class Pace:
    """The naps between two looks at the file; times from a monotonic clock."""

    def __init__(self) -> None:
        self._busy_at = float("-inf")

    def busy(self, monotonic: float) -> None:
        """Note that there was something to do just now."""
        self._busy_at = monotonic

    def nap_s(self, monotonic: float) -> float:
        """Return how long to sleep before the next look."""
        return min(SLOWEST_S, max(FASTEST_S, (monotonic - self._busy_at) * PART_OF_IDLE_TIME))
