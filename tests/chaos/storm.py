"""The parent of a seed's workers: one or two live at a time; who dies is followed by the next, who stalls is left alone until its run is another's."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loopy.domain.run import Run
from tests.chaos.fate import Doom, drawn, heir_of
from tests.chaos.stage import Plot, open_stage
from tests.chaos.worker import forked, live
from tests.simulation.invariants import must

MOST_DOOMED, MOST_STALLING = 30, 15  # workers of a seed; afterwards the last ones are spared
LOOK_S = 0.002  # between two looks at who stalls
TAKEOVER_S = 15.0  # of real time: dozens of leases
LATE_S, SOON_S = 0.1, (0.03, 0.1)


@dataclass
class Life:
    """A worker process; one that is stopped has `held` these runs, and goes on at `wake_at` at the latest."""

    name: str
    dooms: Sequence[Doom]
    told: Path  # the number of the one that it has met last
    stopped_at: float = 0.0
    held: tuple[str, ...] = ()
    robbed: bool = False
    wake_at: float = float("inf")

    @property
    def doom(self) -> Doom:
        return self.dooms[int(self.told.read_text())]


@dataclass
class Storm:
    """Everything that happens to the workers of a seed. Whatever comes of it, none of them is left behind."""

    plot: Plot
    rng: random.Random
    deaths: Counter[str] = field(default_factory=Counter)
    robbed: Counter[str] = field(default_factory=Counter)
    living: dict[int, Life] = field(default_factory=dict)
    stopped: dict[int, Life] = field(default_factory=dict)
    born: int = 0
    heir: Doom | None = None  # what becomes of the next one, since somebody stalls

    def __post_init__(self) -> None:
        self.eyes = open_stage(self.plot, random.Random(0)).graph

    def blow(self) -> None:
        """Let workers live, die and stall until one of them has seen that all has ended. Raises InvariantError."""
        at_once = self.rng.choice((1, 1, 2))
        doomed = self.rng.randint(2, MOST_STALLING if self.plot.stalls else MOST_DOOMED)
        try:
            while True:
                while len(self.living) < at_once:
                    self._bear(doomed=self.born < doomed)
                pid, status = self._news()
                if os.WIFSTOPPED(status):
                    self._stop(pid)
                elif self._buried(pid, status):
                    break
            self._end()
        finally:
            self.eyes.close()
            self._kill()

    def _bear(self, *, doomed: bool) -> None:
        dooms = drawn(self.rng, stalls=self.plot.stalls) if doomed else []
        dooms, self.heir = [*([self.heir] if self.heir else []), *dooms], None
        name, seed = f"w{self.born}", self.rng.randrange(2**31)
        self.eyes.close()  # no child inherits a connection
        self.living[forked(partial(live, self.plot, name, seed, dooms))] = Life(name, dooms, self.plot.told(name))
        self.born += 1

    def _news(self) -> tuple[int, int]:
        """Wait for the next that died, ended or stopped, and meanwhile wake who has slept enough."""
        while self.stopped:
            pid, status = os.waitpid(-1, os.WUNTRACED | os.WNOHANG)
            if pid:
                return pid, status
            self._wake()
            time.sleep(LOOK_S)
        return os.waitpid(-1, os.WUNTRACED)

    def _buried(self, pid: int, status: int) -> bool:
        """Take a process that is gone off the list; return whether it ended by itself."""
        life = self.living.pop(pid)
        if os.WIFEXITED(status):
            must(os.WEXITSTATUS(status) == 0, "a worker failed; its traceback is above")
            return True
        met = os.WTERMSIG(status) == signal.SIGKILL and life.told.exists() and life.doom.wake is None
        must(met, f"a worker died of signal {os.WTERMSIG(status)}")
        self.deaths[life.doom.point] += 1
        return False

    # ---- stalls

    def _stop(self, pid: int) -> None:
        life = self.stopped[pid] = self.living.pop(pid)
        life.stopped_at, life.wake_at, life.robbed = time.monotonic(), float("inf"), False
        life.held = tuple(run.id for run in self._runs().values() if run.owner == life.name)
        if life.doom.wake == "soon" or not life.held:
            life.wake_at = life.stopped_at + self.rng.uniform(*SOON_S)
        else:
            self.heir = heir_of(life.doom, self.rng.choice(life.held))

    def _wake(self) -> None:
        """Look at who is stopped, and let those go on whose time has come."""
        runs, now = self._runs(), time.monotonic()
        for pid, life in [*self.stopped.items()]:
            if life.held and not life.robbed:
                life.robbed = all(runs[run].owner != life.name for run in life.held)
                in_vain = now - life.stopped_at > TAKEOVER_S
                must(life.robbed or not in_vain, f"{life.name} stalls, and nobody took over {', '.join(life.held)}")
                if life.robbed:
                    self.robbed[life.doom.point] += 1
                    life.wake_at = now + self.rng.uniform(0, LATE_S) if life.doom.wake == "late" else life.wake_at
            if now >= life.wake_at or (life.robbed and _enough(life, runs)):
                self._go_on(pid)

    def _runs(self) -> Mapping[str, Run]:
        with self.eyes.read() as tx:
            return {run.id: run for run in tx.runs.page("", 1000)}

    def _go_on(self, pid: int) -> None:
        self.living[pid] = self.stopped.pop(pid)
        os.kill(pid, signal.SIGCONT)

    # ---- the end

    def _end(self) -> None:
        """All has ended, so the others end by themselves, or by the death they were given; nobody stalls any more."""
        while self.living or self.stopped:
            for pid in [*self.stopped]:
                self._go_on(pid)
            pid, status = os.waitpid(-1, os.WUNTRACED)
            if os.WIFSTOPPED(status):
                self._stop(pid)
            else:
                self._buried(pid, status)

    def _kill(self) -> None:
        """Let nobody outlive the seed, whatever has become of it; SIGKILL ends who is stopped, too."""
        for pid in (*self.living, *self.stopped):
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _enough(life: Life, runs: Mapping[str, Run]) -> bool:
    """Whether the moment has come at which who was robbed is to go on."""
    others = [runs[run] for run in life.held]
    match life.doom.wake:
        case "freed":
            return True
        case "taken":
            return any(run.owner or run.ended_at for run in others)
        case _:
            return False
