"""Virtual time and virtual threads: one seed decides who goes next, who is killed where, and who sleeps through it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import greenlet

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Dead(BaseException):
    """This virtual process was killed at this very line; nothing below catches it."""


@dataclass(eq=False)
class Owner:
    """Something that can be killed or stopped as a whole: a worker process, or a person."""

    name: str
    dead: bool = False
    frozen_until: float = 0.0


@dataclass(eq=False)
class Task:
    """A virtual thread of an owner."""

    owner: Owner
    thread: greenlet.greenlet
    wake_at: float
    delivery: Any = None  # the message that it was woken by, if it was


@dataclass
class Clockwork:
    """Runs tasks one at a time and moves the time on only when nobody can go."""

    rng: random.Random
    time: float = 0.0  # seconds that this host was awake
    drift: float = 0.0  # what the wall clock has gained on them: sleeps, and clocks that somebody set
    tasks: list[Task] = field(default_factory=list)
    current: Task | None = None
    hub: greenlet.greenlet = field(default_factory=greenlet.getcurrent)  # where `run` is called

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.time + self.drift)

    def awake(self) -> float:
        return self.time

    def spawn(self, owner: Owner, act: Callable[[], object], delay: float = 0.0) -> None:
        """Let `act` begin after a delay; it ends with its owner."""

        def body() -> None:
            try:
                act()
            except Dead:
                return

        self.tasks.append(Task(owner, greenlet.greenlet(body, self.hub), self.time + delay))

    def sleep(self, seconds: float = 0.0) -> None:
        """Let others go; every place where a thread can lose the processor calls this."""
        task = self.current
        if task is None:
            return
        if task.owner.dead:
            raise Dead
        task.wake_at = self.time + seconds
        self.hub.switch()
        if task.owner.dead:
            raise Dead

    def kill(self, owner: Owner) -> None:
        """End an owner with all of its tasks, wherever they are."""
        owner.dead = True
        for task in [t for t in self.tasks if t.owner is owner]:
            if task is not self.current:
                if task.thread:  # it has begun
                    task.thread.parent = greenlet.getcurrent()  # where its end goes on
                    task.thread.throw(Dead)
                self._forget(task)

    def _forget(self, task: Task) -> None:
        if task in self.tasks:
            self.tasks.remove(task)

    def run(self, until: float, enough: Callable[[], bool] = lambda: False) -> bool:
        """Run for that long, or until it is enough; return whether it was."""
        while not enough():
            going = [t for t in self.tasks if max(t.wake_at, t.owner.frozen_until) <= self.time]
            if not going:
                following = min((max(t.wake_at, t.owner.frozen_until) for t in self.tasks), default=until)
                if following > until:
                    return False
                self.time = following
                continue
            task = self.current = self.rng.choice(going)
            try:
                task.thread.switch()
            finally:
                self.current = None
            if task.thread.dead:
                self._forget(task)
        return True
