"""A leash on one remote act that judges the lease of its own claim, as every observer does (rules 7, 15).

Invariant: no call that it holds goes on when another may soon take the run for silent; it ends a margin before that.
"""

from __future__ import annotations

from dataclasses import dataclass

from loopy.domain.errors import StoreError
from loopy.domain.events import StreamEvent
from loopy.engine.graph import Graph
from loopy.engine.order import BEAT_S, LEASE_S, acting_s
from loopy.ports import Clock, Leash


@dataclass
class Tether:
    """`ports.Leash`: the given one, lost as soon as no beat of the claim was seen in the graph for `acting_s(lease_s)`.

    `fresh` is a moment, on the awake clock, at or before which the claim was renewed. `slack`: it has stopped a call,
    whatever became of the claim, which may be current all the same.
    """

    leash: Leash
    graph: Graph
    clock: Clock
    fresh: float
    lease_s: float = LEASE_S
    beat: int = -1
    looked: float = float("-inf")
    slack: bool = False

    @property
    def run_id(self) -> str:
        """The run that is acted for."""
        return self.leash.run_id

    @property
    def token(self) -> int:
        """The fence of the claim."""
        return self.leash.token

    def authorised(self) -> bool:
        """Look whether the token is current and lease is left; asked last before a call is sent."""
        return self.leash.authorised() and not self._out()

    def stopping(self) -> str | None:
        """Return why to stop now; a claim that its heart no longer keeps alive is as good as lost."""
        return "lost" if self._out() else self.leash.stopping()

    def emit(self, *events: StreamEvent) -> None:
        """Append to the stream."""
        self.leash.emit(*events)

    def lease_left_s(self) -> float:
        """Return how long a call may still go on without a further beat; a graph that cannot be read prolongs nothing."""
        now = self.clock.awake()
        if now - self.looked >= BEAT_S:
            self.looked = now
            self._look(now)
        return self.fresh + acting_s(self.lease_s) - now

    def _out(self) -> bool:
        self.slack = self.slack or self.lease_left_s() <= 0
        return self.slack

    def _look(self, now: float) -> None:
        try:
            with self.graph.read() as tx:
                run = tx.runs.get(self.run_id)
        except StoreError:
            return
        if run is not None and run.token == self.token and run.beat != self.beat:
            self.beat, self.fresh = run.beat, self.fresh if self.beat < 0 else now
