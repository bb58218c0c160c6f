"""What the graph does not say: who was stopped when, which doorbells are under way, and to which diff a person said yes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, is_behind
from loopy.engine.order import BEAT_S, DEADLINES_S, LEASE_S, LOOK_CAP_S
from tests.simulation.invariants import Delivery, Message, Writer, must
from tests.simulation.rows import Rows

BLINK_S = 4 * LOOK_CAP_S + BEAT_S  # of silence that a watcher may have counted without having seen it


@dataclass
class Witness:
    """Sees every commit of a seed, and what happens around it."""

    time: Callable[[], float]
    holds: Callable[[str, Run], bool]  # whether a living process still holds the claim of a run
    under_way: Callable[[], Iterable[Message]]  # in the broker, or held by a living process
    beat_s: float = BEAT_S
    lossless: bool = False  # the broker keeps every message of this seed
    stops: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # process -> from, to
    claimed: dict[tuple[str, int], float] = field(default_factory=dict)  # (run, token) -> when
    unrung: set[tuple[str, int]] = field(
        default_factory=set
    )  # (run, epoch) whose ring is due to its writer, or the sweep
    asked: dict[int, str] = field(default_factory=dict)  # approval -> the diff's digest when it was asked for

    # ---- what happens around the graph

    def stopped(self, process: str, until: float) -> None:
        """Note that the process stands still for a while."""
        spans, now = self.stops.setdefault(process, []), self.time()
        if spans and spans[-1][1] >= now:  # stopped already: one stop, as long as the longer
            now, until = spans[-1][0], max(until, spans.pop()[1])
        spans.append((now, until))

    def woken(self, process: str, at: float) -> None:
        """Note that the process goes on sooner than it was meant to."""
        self.stops[process] = [(a, min(b, at)) for a, b in self.stops.get(process, ())]

    def rung(self, run_id: str, epoch: int) -> None:
        """Note that a doorbell was pressed."""
        self.unrung.discard((run_id, epoch))

    # ---- what must hold

    def committed(self, before: Rows, now: Rows, writer: Writer) -> None:
        """Look at one transaction."""
        if writer.delivery:
            writer.delivery.seen = now.runs.get(writer.delivery.message[0])
        for run in now.runs.values():
            old = before.runs.get(run.id)
            if old is run:
                continue
            self._owner(old, run, writer)
            self._doorbell(old, run)
        for n in now.approvals.keys() - before.approvals.keys():
            self.asked[n] = now.runs[now.approvals[n].run].digest
        for key in now.effects.keys() - before.effects.keys():
            self._yes(before, now.runs[now.effects[key].run])
        self.heard(now)

    def _owner(self, old: Run | None, run: Run, writer: Writer) -> None:
        if run.state is RunState.RUNNING and (old is None or old.token != run.token):
            self.claimed[run.id, run.token] = self.time()
            if writer.delivery:
                writer.delivery.granted = True
        if old is not None and old.owner and run.owner != old.owner != writer.name and self.holds(old.owner, old):
            since = self.claimed[old.id, old.token]
            overdue = self.time() - since > DEADLINES_S[old.step]
            silent = self._still(old.owner, since) - self._still(old.owner, since, writer.name)
            must(overdue or silent >= LEASE_S - BLINK_S, f"{run.id}: {old.owner}, which lives, was robbed of it")

    def _still(self, process: str, since: float, other: str = "") -> float:
        """Return how long the process stood still since then; with another, how long they did so together."""
        spans = [(max(a, since), min(b, self.time())) for a, b in self.stops.get(process, ())]
        if other:
            theirs = self.stops.get(other, ())
            spans = [(max(a, c), min(b, d)) for a, b in spans for c, d in theirs]
        return sum(max(0.0, b - a) for a, b in spans)

    def _doorbell(self, old: Run | None, run: Run) -> None:
        freed = old is not None and old.owner and old.step is run.step
        if run.state is RunState.QUEUED and (old is None or old.epoch != run.epoch or freed):
            self.unrung.add((run.id, run.epoch))

    def _yes(self, before: Rows, run: Run) -> None:
        """An approval that was asked for is a yes to this very diff."""
        asked = [a for a in before.approvals.values() if a.run == run.id and a.gate == "ship"]
        if not asked:
            return
        yes = {self.asked[a.id] for a in asked if a.answer and a.answer.decision == "approve"}
        must(run.digest in yes, f"{run.id}: a push is intended of a diff that nobody approved")

    def heard(self, rows: Rows) -> None:
        """A queued run has its doorbell, as long as the broker loses nothing; only who dies before the ring leaves it to the sweep."""
        if not self.lossless:
            return
        for run in (r for r in rows.runs.values() if r.state is RunState.QUEUED):
            heard = any(m[:2] == (run.id, run.epoch) and run.step in m[2] for m in self.under_way())
            must(
                heard or (run.id, run.epoch) in self.unrung, f"{run.id} lost its doorbell, and the broker lost nothing"
            )

    @staticmethod
    def chain(delivery: Delivery, *, goes_on: bool) -> None:
        """The chain of a message that brought no claim goes on only for who is behind, in the same dispatch (rule 3)."""
        if delivery.granted:
            return
        (run_id, epoch, steps), seen = delivery.message, delivery.seen
        behind = seen is not None and seen.epoch == epoch and is_behind(seen.segment, Step(steps[0]), seen.step)
        must(goes_on == behind, f"{run_id}: a message for {steps[0]} {'went on' if goes_on else 'was cut'}")
