"""One seed: a few tickets, a few workers at once, one after the other killed where the seed says, and the reckoning."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loopy.domain.states import RunState
from loopy.engine.fsck import fsck
from tests.chaos.database import Ground
from tests.chaos.stage import FileForge, open_stage
from tests.chaos.worker import Doom, forked, live
from tests.simulation.invariants import must, referee
from tests.simulation.seeds import POINTS

MOST_DEATHS = 30  # of a seed; afterwards the last workers live


@dataclass(frozen=True)
class Told:
    """What one seed came to."""

    seed: int
    verdicts: Counter[str]
    deaths: Counter[str]  # by crash point


def play(seed: int, ground: Ground) -> Told:
    """Play one seed. Raises InvariantError with what broke."""
    rng = random.Random(seed)
    with _home(ground) as (folder, url):
        began, approve = time.monotonic(), rng.random() < 0.3
        many = rng.randint(1, 4)
        must(_wait(forked(lambda: _file(folder, url, began, many))) == 0, "the tickets could not be filed")
        deaths = _storm(folder, url, began, rng, approve=approve)
        return Told(seed, _reckon(folder, url, began, many), deaths)


def warm(ground: Ground) -> None:
    """Play a ticket in this very process, so that its forks find every module loaded and every statement compiled."""
    with _home(ground) as (folder, url):
        stage = open_stage(folder, url, time.monotonic(), random.Random(0), approve=False)
        stage.start()
        stage.hire("w1")
        stage.pump("w1")
        stage.sweep("w1").once()
        list(fsck(stage.graph))
        stage.graph.close()


def memory() -> Path | None:
    """Return a folder that is in memory, None where there is no such."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) else None


@contextmanager
def _home(ground: Ground) -> Iterator[tuple[Path, str]]:
    folder = Path(tempfile.mkdtemp(prefix="loopy-chaos-", dir=ground.folder or memory()))
    try:
        (folder / "alive").mkdir()
        url = ground.graph(folder)
        try:
            yield folder, url
        finally:
            ground.drop(url)
    finally:
        shutil.rmtree(folder)


def _file(folder: Path, url: str, began: float, many: int) -> None:
    stage = open_stage(folder, url, began, random.Random(0), approve=False)
    for n in range(many):
        stage.start(f"ticket {n}", agent="")


def _storm(folder: Path, url: str, began: float, rng: random.Random, *, approve: bool) -> Counter[str]:
    """Let one or two workers live at a time; whoever dies is followed by the next, at last by one that is spared."""
    deaths: Counter[str] = Counter()
    at_once, born, budget = rng.choice((1, 1, 2)), 0, rng.randint(2, MOST_DEATHS)
    living: dict[int, Doom] = {}
    while True:
        while len(living) < at_once:
            doom = (rng.choice(POINTS), rng.choice((1, 1, 1, 2, 2, 6))) if budget > 0 else None
            name, seed = f"w{born}", rng.randrange(2**31)
            born, budget = born + 1, budget - 1
            life = partial(live, folder, url, name, began, seed, doom, approve=approve)
            living[forked(life)] = doom
        pid, status = os.wait()
        doom = living.pop(pid)
        if os.WIFEXITED(status):
            _end(living)
            must(os.WEXITSTATUS(status) == 0, "a worker failed; its traceback is above")
            return deaths
        must(
            os.WTERMSIG(status) == signal.SIGKILL and doom is not None, f"a worker died of signal {os.WTERMSIG(status)}"
        )
        deaths[doom[0] if doom else ""] += 1


def _end(living: dict[int, Doom]) -> None:
    """All has ended, so the others end by themselves, or by the death they were given."""
    for pid in living:
        os.waitpid(pid, 0)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _reckon(folder: Path, url: str, began: float, many: int) -> Counter[str]:
    stage = open_stage(folder, url, began, random.Random(0), approve=False)
    try:
        breaches = [f"rule {b.rule}: {b.subject} {b.what}" for b in fsck(stage.graph)]
        must(not breaches, "; ".join(breaches))
        landed = FileForge(folder / "forge.log", random.Random(0)).landed()
        with stage.graph.read() as tx:
            runs = list(tx.runs.page("", 1000))
            must(len(runs) == many, f"{many} runs were started, {len(runs)} are there")
            for run in runs:
                must(run.state is RunState.ENDED, f"{run.id} never ended")
                referee(run, tx.effects.of(run.id), [commit for of, _, commit in landed if of == run.id])
        return Counter(str(run.verdict) for run in runs)
    finally:
        stage.graph.close()
