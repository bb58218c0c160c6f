"""What becomes of a worker: the line at which it is killed, or stopped until others have taken its work over."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loopy.domain.states import Step
from tests.simulation.host import YIELDS
from tests.simulation.seeds import POINTS

Wake = Literal["freed", "taken", "late", "last", "soon"]
WAKES: tuple[Wake, ...] = ("freed", "freed", "taken", "taken", "taken", "late", "last")
LINES = (*sorted(YIELDS), "store.after_commit")  # outside of transactions: who stops inside of one stops all writers
OFTEN: tuple[tuple[str, Step | None], ...] = (  # where most is still to be written
    ("claim.after_commit", None),
    ("claim.after_commit", Step.CODE),
    ("claim.after_commit", Step.SHIP),
    ("claim.after_commit", Step.SHIP),  # the only line between a claim and its intent
    ("finish.before_transaction", None),
    ("finish.before_transaction", Step.CODE),
    ("pulse.after_beat", Step.CODE),
    ("ship.after_intent", None),
    ("ship.before_push", None),
)


@dataclass(frozen=True)
class Doom:
    """SIGKILL at the n-th visit of a crash point; with `wake`, SIGSTOP there: in this step and for this run, or in any."""

    point: str
    visit: int = 1
    step: Step | None = None
    run: str = ""
    wake: Wake | None = (
        None  # when it goes on: its run was freed, is another's, some time later, at the end; or in a moment
    )


def drawn(rng: random.Random, *, stalls: bool) -> list[Doom]:
    """Draw a death or, where workers stall, several dooms, most of them stalls; each comes true where it is reached."""
    if not stalls:
        return [_death(rng)]
    return [_stall(rng) if rng.random() < 0.8 else _death(rng) for _ in range(3)]


def _death(rng: random.Random) -> Doom:
    return Doom(rng.choice(POINTS), rng.choice((1, 1, 1, 2, 2, 6)))


def _stall(rng: random.Random) -> Doom:
    point, step = rng.choice(OFTEN) if rng.random() < 0.7 else (rng.choice(LINES), None)
    return Doom(point, 1 if step else rng.choice((1, 1, 2, 3, 6)), step, wake=rng.choice(WAKES))


def heir_of(doom: Doom, run: str) -> Doom | None:
    """Return the doom of who comes after a stalled worker: to stand still for the moment in which that one goes on.

    Else a step is done within milliseconds, and who wakes up would find its run moved on, and never in other hands.
    """
    match doom.wake:
        case "freed":
            return Doom("sweep.after_free", run=run, wake="soon")
        case "taken":
            return Doom("claim.after_commit", run=run, wake="soon")
        case _:
            return None


@dataclass
class Fate:
    """The hook of a worker process's crash points."""

    dooms: Sequence[Doom]  # each comes true once
    told: Path  # where the parent reads which did, last
    still: threading.RLock  # held by every thread that holds what other processes wait for
    freed: Callable[[str], bool]  # whether the run is nobody's
    nap: Callable[[], None] = lambda: None  # outside of transactions: here another thread may go on
    doing: dict[int, tuple[str, Step]] = field(default_factory=dict)  # by thread: what it performs
    visits: Counter[int] = field(default_factory=Counter)  # by doom

    def performs(self, run: str, step: Step) -> None:
        """Note what this thread performs from now on."""
        self.doing[threading.get_ident()] = (run, step)

    def rests(self) -> None:
        """Note that this thread performs nothing."""
        self.doing.pop(threading.get_ident(), None)

    def reached(self, point: str) -> None:
        """Die or stop here, if that is this process's doom."""
        if point in YIELDS:
            self.nap()
        for n, doom in enumerate(self.dooms):
            if doom.point == point and self._meant(doom):
                self.visits[n] += 1
                if self.visits[n] == doom.visit:
                    self._meet(n, doom)

    def _meet(self, n: int, doom: Doom) -> None:
        if doom.wake is None:
            self.told.write_text(str(n))
            os.kill(os.getpid(), signal.SIGKILL)
        with self.still:
            self.told.write_text(str(n))
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # to this very thread, so at this very line

    def _meant(self, doom: Doom) -> bool:
        if doom.point == "sweep.after_free":
            return not doom.run or self.freed(doom.run)
        mine = self.doing.get(threading.get_ident())
        doing = [mine] if mine else [*self.doing.values()]  # the heart beats for whatever is performed
        here = [run for run, step in doing if doom.step in (None, step)]
        return doom.run in here if doom.run else bool(here) or doom.step is None
