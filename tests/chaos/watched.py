"""The real store under watch: whatever a process writes must be its own to write, at the very moment at which it writes it.

What is found goes into a file and is judged at the end of the seed: the engine catches much of what is raised in it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from loopy.domain.agent import Agent, Tried
from loopy.domain.effect import Effect, EffectState
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits
from loopy.domain.outcome import Outcome
from loopy.domain.run import Claim, Run
from loopy.engine.order import LEASE_S
from loopy.store.graph import SqlTx
from loopy.store.records import SqlEffects
from loopy.store.runs import SqlRuns
from loopy.store.session import Session
from tests.engine.fakes import Counted
from tests.simulation.invariants import overbooked


@dataclass(frozen=True)
class Watch:
    """Who writes, and how the others are."""

    file: Path  # one line for each breach
    worker: str = ""  # "": a person
    dead: Callable[[str], bool] = lambda _worker: False
    limits: Limits = field(default_factory=Limits)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    awake_s: Callable[[datetime, datetime], float] = lambda since, now: (now - since).total_seconds()

    def must(self, holds: object, what: str) -> None:
        if holds:
            return
        fd = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, f"{self.worker or 'a person'} {what}\n".encode())
        os.close(fd)


class WatchedRuns(SqlRuns):
    """Runs that only their owners write; whoever takes one from its owner has a reason, and none goes without a slot (rules 2, 5, 7, 10, 17)."""

    def __init__(self, session: Session, now: datetime, watch: Watch) -> None:
        super().__init__(session, now)
        self._watch, self._seen = watch, dict[str, Run]()

    def before(self, run_id: str) -> Run:
        """Return the row as it was when this transaction began."""
        run = self._seen.get(run_id) or self.get(run_id)
        assert run is not None
        return run

    def move(self, run: Run, name: str, text: str = "", facts: Mapping[str, Any] | None = None, **changes: Any) -> Run:
        self._seen.setdefault(run.id, run)
        moved = super().move(run, name, text, facts, **changes)
        if moved.live and (not run.live or run.segment is not moved.segment):
            over = overbooked(self.live(), self._watch.limits, self._watch.agents)
            self._watch.must(not over, f"let {run.id} go, and so overbooked {dict(over)}")
        if run.owner is not None and run.owner not in (moved.owner, self._watch.worker):
            self._robbed(run, name)
        return moved

    def _robbed(self, run: Run, name: str) -> None:
        """An owner that lives keeps its claim for a lease at least: so long must somebody have watched its silence."""
        claimed = [e.at for e in self.story(run.id) if e.name == "step.claimed" and e.facts.get("token") == run.token]
        held_s = self._watch.awake_s(claimed[-1], self._now) if claimed else 0.0
        why = f"took {run.id} from {run.owner}, which lives, after {held_s:.1f} s ({name})"
        self._watch.must(held_s >= LEASE_S or self._watch.dead(run.owner or ""), why)

    def _own(self, run: Run, what: str, *, token: int | None = None) -> None:
        before = self.before(run.id)
        mine = before.owner == self._watch.worker and token in (None, before.token)
        now = f"token {before.token} of {before.owner or 'nobody'}"
        self._watch.must(mine, f"wrote {what} of {run.id} under token {token or run.token}, which stood at {now}")

    def add_outcome(self, run: Run, outcome: Outcome) -> None:
        super().add_outcome(run, outcome)
        if self.before(run.id).owner is not None:  # a fork brings outcomes along, before anybody owns it
            self._own(run, f"the outcome of {run.step}")

    def add_attempt(self, run: Run, tried: Tried, to_agent: str = "") -> None:
        super().add_attempt(run, tried, to_agent)
        if tried.failure is not Failure.WORKER_LOST:
            self._own(run, f"an attempt of {run.step}")

    def stream(self, claim: Claim, events: Iterable[StreamEvent]) -> None:
        super().stream(claim, events)
        self._own(claim.run, "the stream", token=claim.token)

    def beat(self, worker: str, claims: Sequence[Claim]) -> Mapping[str, Run]:
        beaten = super().beat(worker, claims)
        for run in beaten.values():
            held = [c.token for c in claims if c.run.id == run.id]
            self._watch.must(run.token in held, f"beat for token {run.token} of {run.id} and holds {held}")
        return beaten

    def spend(self, run: Run, reserve_micros: int, actual_micros: int | None) -> int:
        spent = super().spend(run, reserve_micros, actual_micros)
        self._own(run, "what a turn cost", token=run.token)
        return spent


class WatchedEffects(SqlEffects):
    """Effects that only the run's owner intends and settles (rule 15)."""

    def __init__(self, session: Session, runs: WatchedRuns) -> None:
        super().__init__(session)
        self._runs = runs

    def intend(self, effect: Effect) -> None:
        super().intend(effect)
        self._runs._own(self._runs.before(effect.run), "an intent", token=effect.token)

    def settle(self, effect: Effect, state: EffectState, detail: str = "") -> Effect:
        settled = super().settle(effect, state, detail)
        self._runs._own(self._runs.before(effect.run), f"that its push is {state}")
        return settled


@dataclass(frozen=True)
class WatchedTx(SqlTx):
    """A writing transaction whose parts look at what is written."""

    watch: Watch

    @cached_property
    def runs(self) -> WatchedRuns:
        return WatchedRuns(self.session, self.now, self.watch)

    @cached_property
    def effects(self) -> WatchedEffects:
        return WatchedEffects(self.session, self.runs)


@dataclass
class WatchedGraph(Counted):
    """The real store; `still` is held by every writing transaction, so who holds it too stops with none under way."""

    watch: Watch = field(default_factory=lambda: Watch(Path(os.devnull)))
    still: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def write(self, *, full: bool = False) -> Iterator[SqlTx]:
        with self.still, super().write(full=full) as tx:
            yield WatchedTx(tx.session, tx.now, self.watch)

    def seen_by(self, **facts: Any) -> None:
        """Say who writes from now on, or how others are seen."""
        self.watch = replace(self.watch, **facts)
