"""Whether this worker hears what is rung; one that is connected and consumes nothing would wait for ever (rule 6)."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from loopy.domain.run import Run
from loopy.domain.states import RunState
from loopy.engine.graph import Graph
from loopy.engine.moves import Ring
from loopy.engine.order import QUEUES
from loopy.ports import Doorbell

SWEPT = (
    2  # so often the sweeps have rung a run again before it is looked at here: one that is heard is claimed long before
)
RINGS = 6  # of our own, each taken by the broker, a pause after each; if it takes one more, it is we who are deaf


@dataclass(frozen=True, slots=True)
class Case:
    """A run that nobody claims: the ring that it is called by, what this worker had heard at its first, and how many there were."""

    ring: Ring
    heard: int
    rings: int = 0


@dataclass
class Hearing:
    """One worker's ears. `queues` are those that it consumes."""

    graph: Graph
    doorbell: Doorbell
    queues: Collection[str]
    heard: int = 0  # messages since the worker's start
    _busy: int = 0
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _case: Case | None = None  # of the watch alone

    @contextmanager
    def message(self) -> Iterator[None]:
        """Note that a message came in, whatever it asks for; it is worked on while the block runs."""
        with self._mutex:
            self.heard += 1
            self._busy += 1
        try:
            yield
        finally:
            with self._mutex:
                self._busy -= 1

    def look(self) -> str:
        """Ring what nobody claims; return, in words, that this worker is deaf, else "".

        To be called with a pause between two looks. A worker is deaf when it was idle and heard nothing at all while
        one run at one place, of a queue that it consumes, was rung by itself `RINGS` times, and the broker took each of
        them and takes one now. A broker that does not take a ring, a graph that cannot be read (which rises as StoreError), any message and any
        work begin the count anew. So does another worker that claims the run.
        """
        case, self._case = self._case, None
        with self._mutex:
            heard, busy = self.heard, self._busy
        run = None if busy else self._unclaimed(case)
        if run is None:
            return ""
        if case is None or case.ring != Ring.of(run) or case.heard != heard:
            case = Case(Ring.of(run), heard)
        ring = case.ring
        if not self.doorbell.ring(ring.run_id, ring.epoch, ring.steps, ring.priority):
            return ""
        if case.rings >= RINGS:
            return f"nothing is heard here: {run.id} was rung {case.rings + 1} times, and the broker took it"
        self._case = replace(case, rings=case.rings + 1)
        return ""

    def _unclaimed(self, case: Case | None) -> Run | None:
        """Return the run of the case if it is still there, else the oldest that the sweeps have rung in vain."""
        with self.graph.read() as tx:
            queued = tx.runs.by_state(RunState.QUEUED)
        calling = [run for run in queued if run.rings >= SWEPT and QUEUES[run.step] in self.queues]
        same = [run for run in calling if case and Ring.of(run) == case.ring]
        return next(iter(same or calling), None)
