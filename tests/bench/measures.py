"""The measurements: each returns plain numbers; whoever prints them makes the ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopy.bootstrap.services import Services, services
from loopy.domain.states import RunState, Step
from loopy.domain.ticket import Ticket, TicketId
from loopy.store.board import counts
from tests.bench import bare
from tests.bench.hosts import children, cpu_s, pss_mb, wait

STEPS = len(bare.STEPS)
TITLE = "no-op"


@dataclass
class Loopy:
    """A home as the benchmark uses it: file, start, and see the end."""

    made: Services
    steps: list[float] = field(default_factory=list)  # of each `one`: the mean of the steps before the ship
    ships: list[float] = field(default_factory=list)  # and the ship: intent, push, read-back, receipt

    @classmethod
    def at(cls, env: dict[str, str]) -> Loopy:
        return cls(services(env))

    def submit(self, n: int = 0) -> str:
        ticket = Ticket(id=TicketId(""), title=f"{TITLE} {n}", repo=f"/srv/repo{n % 8}", created_at=datetime.now(UTC))
        return self.made.intake.start(self.made.intake.file(ticket).id, "bench", "a").id

    def run(self, run_id: str) -> Any:
        with self.made.graph.read() as tx:
            return tx.runs.get(run_id)

    def open(self) -> int:
        with self.made.graph.read() as tx:
            return sum(counts(tx).values())

    def one(self) -> float:
        """Return the seconds of one workflow, from filing to its receipt."""
        began = time.time()
        run_id = self.submit()
        wait(lambda: self.run(run_id).state is RunState.ENDED, pause=0.002)
        ended = time.time()
        assert self.run(run_id).verdict == "PASSED", self.run(run_id)
        with self.made.graph.read() as tx:
            packed = next(e.at for e in tx.runs.story(run_id) if (e.name, e.step) == ("run.queued", Step.SHIP))
        self.steps.append((packed.timestamp() - began) / (STEPS - 1))
        self.ships.append(ended - packed.timestamp())
        return ended - began

    def many(self, n: int) -> tuple[float, float]:
        """Return (seconds until all have been filed, seconds until all have ended)."""
        began = time.monotonic()
        for each in range(n):
            self.submit(each)
        filed = time.monotonic() - began
        wait(lambda: self.open() == 0, seconds=300, pause=0.05)
        return filed, time.monotonic() - began


@dataclass
class Bare:
    """The bare chain, through the same eyes."""

    app: Any
    client: Any
    count: int = 0
    steps: list[float] = field(default_factory=list)

    @classmethod
    def at(cls, url: str) -> Bare:
        import redis

        return cls(bare.make(url), redis.Redis.from_url(url, socket_timeout=90))

    def submit(self) -> None:
        self.count += 1
        bare.submit(self.app, f"run-{self.count}")

    def one(self) -> float:
        began = time.monotonic()
        self.submit()
        assert self.client.blpop(["done"], timeout=30)
        took = time.monotonic() - began
        self.steps.append(took / STEPS)
        return took

    def many(self, n: int) -> tuple[float, float]:
        began = time.monotonic()
        for _ in range(n):
            self.submit()
        filed = time.monotonic() - began
        for _ in range(n):
            assert self.client.blpop(["done"], timeout=60)
        return filed, time.monotonic() - began


def interleaved(runs: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Run each once per round, so that the machine's moods meet all of them; return the figures of each."""
    found: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for figures, run in zip(found, runs, strict=True):
            figures.append(run())
    return found


def takeover(home: Loopy, workers: Sequence[subprocess.Popen[bytes]]) -> float:
    """Kill the worker that performs a step; return the seconds until the survivor has claimed it."""
    run_id = home.submit()
    wait(lambda: (r := home.run(run_id)).step == "code" and r.owner)
    owner = home.run(run_id).owner
    with home.made.graph.read() as tx:
        pid = next(w.pid for w in tx.fleet.workers() if w.id == owner)
    victim = next(w for w in workers if w.pid == pid or pid in children(w.pid))
    victim.kill()
    killed = time.monotonic()
    wait(lambda: (r := home.run(run_id)).owner and r.owner != owner, pause=0.002)
    return time.monotonic() - killed


def fill(path: Path, finished: int) -> None:
    """Write so many finished tickets with their runs, events and outcomes into a graph that has one to copy."""
    import sqlite3

    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE receipt SET pushed_at = at")
        for table, columns, key in (
            ("ticket", _columns(db, "ticket", "n"), "n + :k"),
            ("run", _columns(db, "run", "id", "ticket"), "'LP-' || (ticket + :k) || '.1', ticket + :k"),
            ("outcome", _columns(db, "outcome", "run"), "'LP-' || (1 + :k) || '.1'"),
            ("event", _columns(db, "event", "id", "run"), "NULL, 'LP-' || (1 + :k) || '.1'"),
            (
                "receipt",
                _columns(db, "receipt", *RECEIPT),
                "seq + :k, 'LP-' || (seq + :k) || '.1', printf('%064x', :k), printf('%064x', :k - 1)",
            ),
        ):
            names = ", ".join((*KEYS[table], *columns))
            where = "WHERE run = 'LP-1.1'" if table in ("outcome", "event") else "LIMIT 1"
            what = ", ".join((key, *columns))
            db.executemany(f"INSERT INTO {table} ({names}) SELECT {what} FROM {table} {where}", _numbers(finished))
    db.close()


RECEIPT = ("seq", "run", "digest", "previous")
KEYS = {"ticket": ("n",), "run": ("id", "ticket"), "outcome": ("run",), "event": ("id", "run"), "receipt": RECEIPT}


def _numbers(n: int) -> list[dict[str, int]]:
    return [{"k": k} for k in range(1, n + 1)]


def _columns(db: Any, table: str, *without: str) -> list[str]:
    names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    return [f'"{name}"' for name in names if name not in without]


def idle(pid: int, seconds: float) -> tuple[float, float]:
    """Return (PSS in MB, percent of one core) of a process that has nothing to do."""
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return pss_mb(pid), 100 * (cpu_s(pid) - before) / (time.monotonic() - began)


def fsync_ms(folder: Path) -> float:
    """Return the median of what it costs here to wait for the disk after 8 KB."""
    fd, took = os.open(folder / "fsync", os.O_RDWR | os.O_CREAT), []
    for n in range(100):
        os.pwrite(fd, b"x" * 8192, n * 8192)
        began = time.monotonic()
        os.fsync(fd)
        took.append(1000 * (time.monotonic() - began))
    os.close(fd)
    return p50(took)


def p50(figures: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(figures)
