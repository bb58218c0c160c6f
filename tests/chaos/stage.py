"""What the processes of a seed share: one database file, kernel locks, and a forge that is an append-only file."""

from __future__ import annotations

import fcntl
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO

from loopy.domain.agent import Agent, Tried
from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits
from loopy.domain.policy import Policy
from loopy.engine.pulse import Pulse
from loopy.ports import Leash, Workspace
from loopy.process import alive
from tests.chaos.watched import Watch, WatchedGraph
from tests.engine.fakes import Clock, a_change
from tests.engine.world import World

HASTE = 400  # the wall clock runs so much faster than the real one: waits of minutes take a moment
PACE = 100  # and so much faster the awake clock where workers stall: a lease is 0.3 s, and all else in proportion
TALK = 4  # messages of a turn
BEAT_S = 0.005  # of real time; a seed is done within a second, so the heart beats many times a step


@dataclass(frozen=True)
class Plot:
    """What all processes of a seed know."""

    folder: Path
    url: str
    began: float
    approve: bool = False  # every ship is approved by a person
    stalls: bool = False  # some workers stop for longer than a lease, and go on
    budget_micros: int | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def breaches(self) -> Path:
        return self.folder / "breaches.log"

    def told(self, worker: str) -> Path:
        """Return the file in which a worker says which doom it has met."""
        return self.folder / f"{worker}.doom"


class HastyClock(Clock):
    """Real time for leases, or a faster one where they are to expire; a fast wall clock for everything that waits."""

    def __init__(self, began: float, pace: float = 1.0) -> None:
        super().__init__()
        self.began, self.pace = began, pace

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=(time.monotonic() - self.began) * HASTE)

    def awake(self) -> float:
        return time.monotonic() * self.pace

    def awake_s(self, since: datetime, now: datetime) -> float:
        return (now - since).total_seconds() / HASTE * self.pace

    def tick(self, seconds: float) -> None:
        time.sleep(seconds / HASTE)


@dataclass
class FileForge:
    """The referee: who had a run's lock and what landed, line by line, in a file that only grows, under its lock."""

    file: Path
    rng: random.Random
    still: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def _held(self) -> Iterator[tuple[IO[str], list[list[str]]]]:
        with self.still, self.file.open("a+") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.seek(0)
            yield log, [line.split() for line in log.read().splitlines()]

    def clear(self, run_id: str, token: int) -> None:
        """Have the run's lock once: from now on nothing lands for an older claim (rule 9)."""
        with self._held() as (log, lines):
            if any(what == "had" and of == run_id and int(had) > token for what, of, had, *_ in lines):
                raise LostError(run_id, "a newer claim acts already")
            log.write(f"had {run_id} {token}\n")

    def look(self, effect: Effect, _place: Workspace, leash: Leash) -> str | None:
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        with self._held() as (_, lines):
            return _refs(lines).get(effect.ref, "") if self.rng.random() > 0.1 else None

    def push(self, effect: Effect, _place: Workspace, leash: Leash, _timeout_s: float) -> str:
        with self._held() as (log, lines):
            if not leash.authorised():
                raise LostError(effect.run, "not authorised")
            if _refs(lines).get(effect.ref, "") != effect.expected:
                return "stale info"
            log.write(f"landed {effect.run} {leash.token} {effect.ref} {effect.commit}\n")
        if self.rng.random() < 0.1:
            raise GitError("push", "the reply was lost")
        return ""

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def landed(self) -> list[tuple[str, str, str]]:
        """Return run, ref and commit of all that landed."""
        return [(line[1], line[3], line[4]) for line in self.lines() if line[0] == "landed"]

    def unfenced(self) -> Iterator[str]:
        """Yield what landed for a claim that had not been the last to have the run's lock."""
        had: dict[str, str] = {}
        for what, run, token, *_ in self.lines():
            if what == "had":
                had[run] = token
            elif had.get(run) != token:
                yield f"{run} landed for token {token}, and its lock was had for {had.get(run, 'none')}"


def _refs(lines: list[list[str]]) -> dict[str, str]:
    return {line[3]: line[4] for line in lines if line[0] == "landed"}


@dataclass
class Stage(World):
    """A world whose workers are processes of their own."""

    plot: Plot = field(default_factory=lambda: Plot(Path(), "", 0.0))
    still: threading.RLock = field(
        default_factory=threading.RLock
    )  # held by whoever holds what other processes wait for

    def dead(self, worker: str) -> bool:
        return alive.is_dead(self.plot.folder / "alive", worker)

    def bury(self, worker: str) -> None:
        alive.bury(self.plot.folder / "alive", worker)

    def clear(self, run_id: str, token: int) -> None:
        self.forge.clear(run_id, token)  # type: ignore[attr-defined]  # a FileForge

    def heart(self, worker: str) -> Pulse:
        return Pulse(self.graph, self.clock, worker, BEAT_S, BEAT_S)


def open_stage(plot: Plot, rng: random.Random, worker: str = "") -> Stage:
    """Return the world as one process sees it, a worker or a person; nothing is opened before it is used."""
    folder, clock = plot.folder, HastyClock(plot.began, PACE if plot.stalls else 1.0)
    known = {
        "a": Agent(name="a", argv=("a",), fallback=("b",), concurrency=4),
        "b": Agent(name="b", argv=("b",), concurrency=4),
    }
    dead = partial(alive.is_dead, folder / "alive")
    watch = Watch(plot.breaches, worker, dead, plot.limits, known, clock.awake_s)
    graph = WatchedGraph(plot.url, clock.now, watch=watch)
    law = Policy(sandbox="none", approve="always" if plot.approve else "asked", budget_micros=plot.budget_micros)
    stage = Stage(graph, clock, known, law, plot.limits, plot=plot, still=graph.still)
    stage.forge = FileForge(folder / "forge.log", rng, graph.still)  # type: ignore[assignment]  # the same port, on disk
    script = [a_change(rng.randint(1, 10**6)) for _ in range(40)]
    limits = [Tried(failure=Failure.QUOTA, detail="scripted") if rng.random() < 0.08 else None for _ in script]
    stage.bench.turns = [limit or change for limit, change in zip(limits, script, strict=True)]
    stage.bench.reports = [rng.random() < 0.8 for _ in script]
    if plot.stalls:
        stage.bench.during, stage.bench.cost_micros = _talk, 1000
    return stage


def _talk(leash: Leash) -> None:
    """A turn that takes a moment and says so: who stalls in it has words that nobody has written yet."""
    for n in range(TALK):
        leash.emit(StreamEvent("agent.message", f"{n}"))
        time.sleep(0.002)
