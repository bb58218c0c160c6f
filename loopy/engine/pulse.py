"""The process's heart: one batched heartbeat a second, the leashes of its claims, and their streams (rules 5, 7, 13)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import LoopyError, LostError
from loopy.domain.events import StreamEvent
from loopy.domain.run import Claim
from loopy.engine.claims import mine
from loopy.engine.graph import Graph
from loopy.engine.order import BEAT_S, DEADLINES_S, FLUSH_S
from loopy.ports import Clock

log = logging.getLogger("loopy.engine")


@dataclass(eq=False)
class ClaimLeash:
    """`ports.Leash` of one claim."""

    claim: Claim
    graph: Graph
    deadline: float  # on the awake clock; heartbeats stop there
    draining: threading.Event
    lost: bool = False
    cancelled: bool = False
    _events: list[StreamEvent] = field(default_factory=list)
    _pen: threading.Lock = field(default_factory=threading.Lock)

    @property
    def run_id(self) -> str:
        """The run that is acted for."""
        return self.claim.run.id

    @property
    def token(self) -> int:
        """The fence of this claim."""
        return self.claim.token

    def authorised(self) -> bool:
        """Look whether the token is current and the run may act at all."""
        with self.graph.read() as tx:
            try:
                mine(tx, self.claim)
            except LostError:
                self.lost = True
        return not self.lost

    def stopping(self) -> str | None:
        """Return why to stop now, if so."""
        if self.lost:
            return "lost"
        if self.cancelled:
            return "cancelled"
        return "draining" if self.draining.is_set() else None

    def emit(self, *events: StreamEvent) -> None:
        """Append to the stream; only the heart and the finish write it, so no agent waits for the graph."""
        self._events.extend(events)

    @contextmanager
    def gathered(self) -> Iterator[Sequence[StreamEvent]]:
        """Give one writer at a time what has gathered; it is forgotten only when the block has ended well."""
        with self._pen:
            batch = tuple(self._events)
            yield batch
            del self._events[: len(batch)]

    def flush(self) -> None:
        """Write what has gathered, under the token; a lost claim writes nothing. Raises StoreError, and keeps it then."""
        if self.lost or not self._events or self._pen.locked():  # the finish is writing it: the heart must not wait
            return
        try:
            with self.gathered() as batch, self.graph.write() as tx:
                tx.runs.stream(self.claim, batch)
        except LostError:
            self.lost = True


class Pulse:
    """Keeps the claims of one worker process alive; a claim past its step's deadline is no longer beaten."""

    def __init__(
        self, graph: Graph, clock: Clock, worker: str, beat_s: float = BEAT_S, flush_s: float = FLUSH_S
    ) -> None:
        self._graph, self._clock, self._worker = graph, clock, worker
        self._beat_s, self._flush_s = beat_s, flush_s
        self._leashes: set[ClaimLeash] = set()
        self._mutex, self._stop = threading.Lock(), threading.Event()
        self.closing = threading.Event()  # claim nothing more
        self.draining = threading.Event()  # stop what runs, and give it back
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the heart's thread."""
        self._thread = threading.Thread(target=self._run, name="loopy-pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the heart's thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def held(self) -> list[Claim]:
        """The claims that this process performs right now."""
        with self._mutex:
            return [leash.claim for leash in self._leashes]

    @contextmanager
    def leash(self, claim: Claim) -> Iterator[ClaimLeash]:
        """Keep a claim alive while the block runs."""
        deadline = self._clock.awake() + DEADLINES_S[claim.run.step]
        leash = ClaimLeash(claim, self._graph, deadline, self.draining)
        with self._mutex:
            self._leashes.add(leash)
        try:
            yield leash
        finally:
            with self._mutex:
                self._leashes.discard(leash)

    def beat(self) -> None:
        """Send one heartbeat for every claim under its deadline, and learn of cancels and losses."""
        with self._mutex:
            leashes = list(self._leashes)
        awake = self._clock.awake()
        alive = [leash for leash in leashes if not leash.lost and awake <= leash.deadline]
        if not alive:
            return
        with self._graph.write() as tx:
            rows = tx.runs.beat(self._worker, [leash.claim for leash in alive])
        crashpoint("pulse.after_beat")
        with self._mutex:
            still = [leash for leash in alive if leash in self._leashes]
        for leash in still:
            row = rows.get(leash.run_id)
            leash.lost = row is None or row.token != leash.token  # it may have lost the run and claimed it again
            leash.cancelled = leash.cancelled or bool(row and row.cancel)

    def _run(self) -> None:
        beats = 0.0
        while not self._stop.wait(self._flush_s):
            if self._clock.awake() - beats >= self._beat_s:
                beats = self._clock.awake()
                _safely(self.beat)
            with self._mutex:
                leashes = list(self._leashes)
            for leash in leashes:
                _safely(leash.flush)


def _safely(act: Callable[[], None]) -> None:
    """Act for the heart, which must outlive any surprise: without it every claim of the process is lost."""
    try:
        act()
    except LoopyError as error:  # a locked or full database: the lease rules; the next tick tries again
        log.warning("heart: %s", error)
    except Exception:
        log.exception("the heart failed")
