"""The sweep: frees, aborts, wakes, admits and rings again; every worker runs it, each row by its own compare-and-set (rule 8)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Wait
from loopy.engine import moves
from loopy.engine.admission import served_queues
from loopy.engine.bell import ring_all
from loopy.engine.dependencies import look_again
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx
from loopy.engine.liveness import LeaseWatch
from loopy.engine.moves import Ring
from loopy.engine.order import QUEUES, RING_BACKOFF_S, RING_DOUBLINGS
from loopy.engine.publish import publish
from loopy.engine.takeover import free_dead, free_silent

log = logging.getLogger("loopy.engine")
SLOW_EVERY_S = 10.0
SET_BACK_S = 60.0


@dataclass
class Sweep:
    """One process's sweep; all of it is idempotent, so any number of processes may do it at once."""

    desk: Desk
    watch: LeaseWatch
    _slow_at: float = field(default=-1e9)
    _peers: Sequence[str] = ()
    _clocks: tuple[datetime, float] | None = None  # the wall's and the awake one, as the last look had them

    def once(self) -> int:
        """Look at every live row once; return how many rows were moved or rung."""
        if self._set_back():
            self._look_again()
        with self.desk.graph.read() as tx:
            running = tx.runs.by_state(RunState.RUNNING)
            queued = tx.runs.by_state(RunState.QUEUED)
            orphaned, due = tx.runs.orphaned(), tx.runs.due()
            some_ready = tx.runs.any_ready()
            workers = [w.id for w in tx.fleet.workers() if w.host == self.desk.host]  # locks are of this host
        self._peers = [w for w in workers if w != self.desk.worker]
        rings, died = self._free(workers, running)
        moved = self._each(orphaned, _abort) + self._each(due, _wake)
        if some_ready or moved or rings:
            with self.desk.graph.write() as tx:
                rings += self.desk.admission.admit(tx)
        rings += self._again(queued, died=died)
        ring_all(self.desk.doorbell, rings)
        self._slow()
        return len(rings) + moved

    def _set_back(self) -> bool:
        """Whether the wall clock was set back since the last look, by more than clocks are kept right by."""
        now, awake = self.desk.clock.now(), self.desk.clock.awake()
        before, self._clocks = self._clocks, (now, awake)
        return before is not None and now - before[0] < timedelta(seconds=awake - before[1] - SET_BACK_S)

    def _look_again(self) -> None:
        """Let all that waits for a time of another clock look again: it waits anew if it must, and by this clock."""
        log.warning("the clock was set back: what waits for a time looks again now")
        with self.desk.graph.write() as tx:
            for account in tx.fleet.cooldowns():
                tx.fleet.thaw(account)
            timed = [run for run in tx.runs.by_state(RunState.WAITING) if run.wake_at is not None]
        self._each(timed, _wake)

    def bereaved(self) -> bool:
        """Whether a worker of the last look is dead by now; cheap enough to ask several times a second."""
        return any(self.desk.alive.dead(peer) for peer in self._peers)

    def _free(self, workers: Sequence[str], running: Sequence[Run]) -> tuple[list[Ring], bool]:
        """Take back what dead and silent owners hold; return the rings, and whether somebody died."""
        rings, died = list[Ring](), False
        owners = {r.owner for r in running if r.owner and r.host == self.desk.host}
        for worker in {*workers, *owners} - {self.desk.worker}:
            if self.desk.alive.dead(worker):
                log.warning("worker %s died; its runs go on", worker[:8])
                rings, died = rings + free_dead(self.desk, worker), True
        for run in self.watch.look(running):
            log.warning("%s: its worker is silent; the run goes on", run.id)
            rings += free_silent(self.desk, run)
        crashpoint("sweep.after_free")
        return rings, died

    def _each(self, runs: Sequence[Run], act: Callable[[Tx, Run], object]) -> int:
        moved = 0
        for run in runs:
            with self.desk.graph.write() as tx:
                now = tx.runs.get(run.id)
                if now is not None and now.version == run.version:  # else somebody else was first
                    act(tx, now)
                    moved += 1
        return moved

    def _again(self, queued: Sequence[Run], *, died: bool) -> list[Ring]:
        """Ring unclaimed runs again under the same epoch, ever more slowly, if a living worker can hear it (rule 6).

        When somebody died, all of them at once: it may have had their rings in hand.
        """
        rings, now = [], self.desk.clock.now()
        for run in (r for r in queued if died or _unheard(r, now)):
            with self.desk.graph.write() as tx:
                if tx.runs.get(run.id) == run and QUEUES[run.step] in served_queues(tx):
                    tx.runs.set_rung(run, tx.now, run.rings + 1)
                    rings.append(Ring.of(run))
        return rings

    def _slow(self) -> None:
        """Do what may take a while: unpublished receipts, dependencies; seldom."""
        if self.desk.clock.awake() - self._slow_at < SLOW_EVERY_S:
            return
        self._slow_at = self.desk.clock.awake()
        with self.desk.graph.read() as tx:
            runs = [tx.runs.get(row.run) for row in tx.receipts.unpushed()]
            dependent = tx.runs.waiting_for(Wait.DEPENDENCY)
        since = self.desk.clock.now() - timedelta(seconds=5)
        late = [run for run in runs if run is not None and run.ended_at and run.ended_at < since]
        if late:
            with self.desk.graph.write(full=True):
                pass  # whoever ended them may have died before it saw them on the disk: nothing is told that can be undone
        for run in late:
            publish(self.desk, run)
        look_again(self.desk, dependent)
        self.desk.graph.checkpoint()


def _abort(tx: Tx, run: Run) -> None:
    moves.abort(tx, run)


def _wake(tx: Tx, run: Run) -> None:
    moves.ready(tx, run, run.segment, run.step, f"woken from {run.wait}")


def _unheard(run: Run, now: datetime) -> bool:
    pause = timedelta(seconds=RING_BACKOFF_S * 2 ** min(run.rings, RING_DOUBLINGS))
    return run.rung_at is None or now - run.rung_at >= pause or run.rung_at > now


class SweepThread:
    """Runs the sweep several times a second, cheaply while nothing changes."""

    PERIOD_S, IDLE_LOOKS = 0.15, 7

    def __init__(self, sweep: Sweep) -> None:
        self._sweep, self._stop = sweep, threading.Event()
        self._thread = threading.Thread(target=self._run, name="loopy-sweep", daemon=True)

    def start(self) -> None:
        """Start sweeping."""
        self._thread.start()

    def stop(self) -> None:
        """Stop sweeping."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        seen, quiet = -1, 0
        while not self._stop.wait(self.PERIOD_S):
            try:
                version = self._sweep.desk.graph.version()
                quiet = 0 if version != seen else quiet + 1
                if quiet and quiet % self.IDLE_LOOKS and not self._sweep.bereaved():
                    continue  # nobody wrote, nobody died: look at clocks about once a second
                seen = version
                self._sweep.once()
            except LoopyError as error:
                log.warning("sweep: %s", error)
            except Exception:  # the sweep must outlive any surprise; the next one looks again
                log.exception("sweep failed")
