"""What the killed processes share: one database file, kernel locks, and a forge that is an append-only file."""

from __future__ import annotations

import fcntl
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from loopy.domain.agent import Agent, Tried
from loopy.domain.effect import Effect
from loopy.domain.errors import GitError, LostError
from loopy.domain.failures import Failure
from loopy.domain.policy import Policy
from loopy.engine.pulse import Pulse
from loopy.ports import Leash, Workspace
from loopy.process import alive
from tests.engine.fakes import Clock, Counted, a_change
from tests.engine.world import World

HASTE = 400  # the wall clock runs so much faster than the awake one: waits of minutes take a moment
BEAT_S = 0.005  # a seed is done within a second, so the heart beats many times a step


class HastyClock(Clock):
    """Real time for leases, a fast wall clock for everything that waits."""

    def __init__(self, began: float) -> None:
        super().__init__()
        self.began = began

    def now(self) -> datetime:
        return self.wall + timedelta(seconds=(time.monotonic() - self.began) * HASTE)

    def awake(self) -> float:
        return time.monotonic()

    def tick(self, seconds: float) -> None:
        time.sleep(seconds / HASTE)


@dataclass
class FileForge:
    """The referee: what landed, line by line, in a file that only grows; refs are compared and set under its lock."""

    file: Path
    rng: random.Random

    @contextmanager
    def _held(self) -> Iterator[tuple[IO[str], dict[str, str]]]:
        with self.file.open("a+") as log:
            fcntl.flock(log, fcntl.LOCK_EX)
            log.seek(0)
            lines = [line.split() for line in log.read().splitlines()]
            yield log, {ref: commit for _, ref, commit in lines}

    def look(self, effect: Effect, _place: Workspace, leash: Leash) -> str | None:
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        with self._held() as (_, refs):
            return refs.get(effect.ref, "") if self.rng.random() > 0.1 else None

    def push(self, effect: Effect, _place: Workspace, leash: Leash, _timeout_s: float) -> str:
        if not leash.authorised():
            raise LostError(effect.run, "not authorised")
        with self._held() as (log, refs):
            if refs.get(effect.ref, "") != effect.expected:
                return "stale info"
            log.write(f"{effect.run} {effect.ref} {effect.commit}\n")
        if self.rng.random() < 0.1:
            raise GitError("push", "the reply was lost")
        return ""

    def landed(self) -> list[tuple[str, str, str]]:
        lines = (line.split() for line in self.file.read_text().splitlines()) if self.file.exists() else ()
        return [(run, ref, commit) for run, ref, commit in lines]


@dataclass
class Stage(World):
    """A world whose workers are processes of their own."""

    folder: Path = Path()

    def dead(self, worker: str) -> bool:
        return alive.is_dead(self.folder / "alive", worker)

    def bury(self, worker: str) -> None:
        alive.bury(self.folder / "alive", worker)

    def heart(self, worker: str) -> Pulse:
        return Pulse(self.graph, self.clock, worker, BEAT_S, BEAT_S)


def open_stage(folder: Path, url: str, began: float, rng: random.Random, *, approve: bool) -> Stage:
    """Return the world as one process sees it; nothing is opened before it is used."""
    clock = HastyClock(began)
    known = {
        "a": Agent(name="a", argv=("a",), fallback=("b",), concurrency=4),
        "b": Agent(name="b", argv=("b",), concurrency=4),
    }
    graph = Counted(url, clock.now)
    law = Policy(sandbox="none", approve="always" if approve else "asked")
    stage = Stage(graph, clock, known, law, folder=folder)
    stage.forge = FileForge(folder / "forge.log", rng)  # type: ignore[assignment]  # the same port, on disk
    script = [a_change(rng.randint(1, 10**6)) for _ in range(40)]
    limits = [Tried(failure=Failure.QUOTA, detail="scripted") if rng.random() < 0.08 else None for _ in script]
    stage.bench.turns = [limit or change for limit, change in zip(limits, script, strict=True)]
    stage.bench.reports = [rng.random() < 0.8 for _ in script]
    return stage
