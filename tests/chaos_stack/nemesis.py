"""What is done to a running home: each fault is a short function over the crew, chosen by seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from loopy.process import hunt
from loopy.process.hunt import Proc
from tests.chaos_stack.crew import Crew, Post, words_of
from tests.chaos_stack.ground import Ground, Servers
from tests.support.servers import Postgres, RabbitMQ

SEEK_S = 3.0  # how long to wait for somebody to harm


class Fault(StrEnum):
    """The kinds of harm."""

    WORKER = "worker killed"
    AGENT = "agent killed"
    GUARD = "guard killed"
    FAMILY = "worker, guards and agents killed at once"
    ALL = "every worker killed at once"
    BEAT = "beat killed"
    FREEZE = "worker frozen for two leases"
    WIPE = "broker file wiped"
    REDIS = "Redis killed and started again"
    FLUSH = "Redis flushed"
    RABBITMQ = "RabbitMQ killed and started again"
    PURGE = "RabbitMQ's queues purged"
    POSTGRES = "Postgres killed and started again"


COMMON = {
    Fault.WORKER: 5,
    Fault.AGENT: 4,
    Fault.GUARD: 4,
    Fault.FAMILY: 3,
    Fault.ALL: 2,
    Fault.FREEZE: 2,
}

OF_BROKER = {
    "embedded": {Fault.WIPE: 5},
    "redis": {Fault.REDIS: 4, Fault.FLUSH: 3},
    "rabbitmq": {Fault.RABBITMQ: 4, Fault.PURGE: 3},
}
OF_DATABASE: dict[str, dict[Fault, int]] = {"sqlite": {}, "postgres": {Fault.POSTGRES: 5}}


def weights_on(on: Ground) -> dict[Fault, int]:
    """Return how often each fault comes to a home on this ground."""
    return COMMON | OF_BROKER[on.broker] | OF_DATABASE[on.database]


@dataclass
class Nemesis:
    """Does harm; `wait` lets the home live on for some seconds meanwhile."""

    crew: Crew
    servers: Servers
    rng: random.Random
    wait: Callable[[float], None]

    def strike(self, fault: Fault) -> str:
        """Do it; return whom it hit, in words, "" when nobody was there to be hit."""
        return self._acts()[fault]()

    def _acts(self) -> Mapping[Fault, Callable[[], str]]:
        return {
            Fault.WORKER: lambda: self._slay(self._worker()),
            Fault.AGENT: lambda: self._one(self.crew.commands),
            Fault.GUARD: lambda: self._one(self.crew.guards),
            Fault.FAMILY: self._family,
            Fault.ALL: lambda: "; ".join([self._slay(post) for post in self.crew.workers]),
            Fault.BEAT: lambda: self._slay(next(iter(self.crew.beats), None)),
            Fault.FREEZE: self._freeze,
            Fault.WIPE: self._wipe,
            Fault.REDIS: self._restart,
            Fault.FLUSH: lambda: self.servers.redis.said("FLUSHALL").strip() if self.servers.redis else "",
            Fault.RABBITMQ: lambda: self._again(self.servers.rabbitmq),
            Fault.PURGE: self.servers.purge,
            Fault.POSTGRES: lambda: self._again(self.servers.postgres),
        }

    def _worker(self) -> Post | None:
        awake = [p for p in self.crew.workers if not p.frozen_until]
        return self.rng.choice(awake) if awake else None

    def _slay(self, post: Post | None) -> str:
        if post is None:
            return ""
        os.kill(post.pid, signal.SIGKILL)
        return f"{post.name} {post.pid}"

    def _one(self, find: Callable[[], list[Proc]]) -> str:
        """Kill one of those, as soon as there is one."""
        give_up = time.monotonic() + SEEK_S
        while time.monotonic() < give_up:
            found = find()
            victim = self.rng.choice(found) if found else None
            if victim and (words := words_of(victim.pid)):  # one without words is about to go by itself
                hunt.send(victim, signal.SIGKILL)
                return f"{victim.pid} {words}"
            self.wait(0.01)
        return ""

    def _family(self) -> str:
        """Kill a worker and all below it, the worker first: nobody is left to clean up."""
        post = self._worker()
        if post is None:
            return ""
        below = self.crew.family(post)
        os.kill(post.pid, signal.SIGKILL)
        for proc in below:
            hunt.send(proc, signal.SIGKILL)
        return f"{post.name} {post.pid} with {len(below)} below it"

    def _freeze(self) -> str:
        post = self._worker()
        if post is None:
            return ""
        self.crew.freeze(post)
        return f"{post.name} {post.pid}"

    def _wipe(self) -> str:
        gone = [p for p in self.crew.scene.home.glob("broker.db*") if p.is_file()]
        for path in gone:
            path.unlink(missing_ok=True)
        return ", ".join(sorted(p.name for p in gone))

    def _restart(self) -> str:
        redis = self.servers.redis
        if redis is None:
            return ""
        redis.kill()
        away = self.rng.choice((0.0, 0.3, 2.0))
        self.wait(away)
        redis.start()
        return f"away for {away} s"

    @staticmethod
    def _again(server: RabbitMQ | Postgres | None) -> str:
        """Kill the server with all of its processes and start it again; it recovers from its own files."""
        if server is None:
            return ""
        began = time.monotonic()
        server.restart()
        return f"away for {time.monotonic() - began:.1f} s"
