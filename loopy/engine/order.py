"""Which queue each step's task is consumed from, and how long a step may take before its heartbeats stop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from loopy.domain.states import Step

QUEUES: Mapping[Step, str] = MappingProxyType(
    {
        Step.PLAN: "loop",
        Step.SIZE: "loop",
        Step.ROUTE: "loop",
        Step.CODE: "code",
        Step.CHECK: "checks",
        Step.FAILOVER: "control",
        Step.EVIDENCE: "loop",
        Step.SHIP: "integrations",
    }
)

LEASE_S, MARGIN_S, LOOK_CAP_S = 30.0, 6.0, 2.0
BEAT_S, FLUSH_S = 1.0, 0.2
AGAIN_S = 5.0  # the longest pause between two tries of a finish
RING_BACKOFF_S, RING_DOUBLINGS = 2.0, 5
COOLDOWN_MIN_S, RESET_MARGIN_S = 60, 5
MOVES = 4  # failovers in one turn before the run parks

DEADLINES_S: Mapping[Step, float] = MappingProxyType(
    {
        Step.PLAN: 600,
        Step.SIZE: 60,
        Step.ROUTE: 120,
        Step.CODE: 86_400,  # the agent's own idle and total deadlines are tighter and end it first
        Step.CHECK: 86_400,  # as are those of each check
        Step.FAILOVER: 60,
        Step.EVIDENCE: 300,
        Step.SHIP: 1800,
    }
)


def acting_s(lease_s: float) -> float:
    """Return how long after its last beat a claim may still act: lease − margin, of a short lease a quarter.

    The margin covers a beat that was just due (1.2 s), a guard's own look, and the end of its command, so that whatever
    acts for a claim has ended before anybody can take its lease for expired.
    """
    return lease_s - min(MARGIN_S, lease_s * 0.75)
