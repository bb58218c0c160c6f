"""Ringing: best effort, after the commit; what is not heard is rung again by the sweep."""

from __future__ import annotations

from collections.abc import Iterable

from loopy.engine.moves import Ring
from loopy.ports import Doorbell


def ring_all(doorbell: Doorbell, rings: Iterable[Ring]) -> None:
    """Press every doorbell once; stop at the first that cannot be heard, for the broker is down."""
    seen = set()
    for ring in rings:
        if ring not in seen and not doorbell.ring(ring.run_id, ring.epoch, ring.steps, ring.priority):
            return
        seen.add(ring)
