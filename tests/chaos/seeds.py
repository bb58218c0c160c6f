"""One seed: a few tickets, a few workers at once, each killed or stopped where the seed says, and the reckoning."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.limits import Limits
from loopy.domain.states import RunState
from loopy.engine.fsck import fsck
from tests.chaos.database import Ground
from tests.chaos.stage import FileForge, Plot, open_stage
from tests.chaos.storm import Storm
from tests.chaos.worker import forked
from tests.simulation.invariants import InvariantError, must, referee

STALLING = 0.15  # of all seeds: leases must pass in them, so they take their time
BUDGET_MICROS = 40_000_000


@dataclass(frozen=True)
class Told:
    """What one seed came to."""

    seed: int
    verdicts: Counter[str]
    deaths: Counter[str]  # by crash point
    stalls: Counter[str]  # by crash point, those whose runs others took over meanwhile


def play(seed: int, ground: Ground, *, stalling: float = STALLING) -> Told:
    """Play one seed; in this share of all, workers stall, too. Raises InvariantError with what broke."""
    rng = random.Random(seed)
    with _home(ground) as (folder, url):
        stalls = rng.random() < stalling
        budget = BUDGET_MICROS if stalls else None
        limits = Limits(steps=rng.randint(1, 4), turns=rng.randint(1, 3), repo=rng.randint(1, 3))
        plot = Plot(folder, url, time.monotonic(), rng.random() < 0.3, stalls, budget, limits)
        many = rng.randint(1, 4)
        must(_wait(forked(lambda: _file(plot, many))) == 0, "the tickets could not be filed")
        storm = Storm(plot, rng)
        _blow(storm, plot)
        return Told(seed, _reckon(plot, many), storm.deaths, storm.robbed)


def _blow(storm: Storm, plot: Plot) -> None:
    """Let the storm blow. Raises InvariantError: what was written by who might not is told first, the rest follows from it."""
    try:
        storm.blow()
    except InvariantError as error:
        raise InvariantError("; ".join([*_breaches(plot), str(error)])) from error
    must(not (said := _breaches(plot)), "; ".join(said))


def _breaches(plot: Plot) -> list[str]:
    return plot.breaches.read_text().splitlines()[:3] if plot.breaches.exists() else []


def warm(ground: Ground) -> None:
    """Play a ticket in this very process, so that its forks find every module loaded and every statement compiled."""
    with _home(ground) as (folder, url):
        stage = open_stage(Plot(folder, url, time.monotonic()), random.Random(0), "w1")
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


def _file(plot: Plot, many: int) -> None:
    stage = open_stage(plot, random.Random(0))
    for n in range(many):
        stage.start(f"ticket {n}", agent="")


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _reckon(plot: Plot, many: int) -> Counter[str]:
    stage = open_stage(plot, random.Random(0))
    try:
        breaches = [f"rule {b.rule}: {b.subject} {b.what}" for b in fsck(stage.graph)]
        must(not breaches, "; ".join(breaches))
        forge = FileForge(plot.folder / "forge.log", random.Random(0))
        unfenced, landed = list(forge.unfenced()), forge.landed()
        must(not unfenced, "; ".join(unfenced))
        with stage.graph.read() as tx:
            runs = list(tx.runs.page("", 1000))
            must(len(runs) == many, f"{many} runs were started, {len(runs)} are there")
            for run in runs:
                must(run.state is RunState.ENDED, f"{run.id} never ended")
                referee(run, tx.effects.of(run.id), [commit for of, _, commit in landed if of == run.id])
        return Counter(str(run.verdict) for run in runs)
    finally:
        stage.graph.close()
