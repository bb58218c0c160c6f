"""One short life: a forked worker process that does whatever the graph asks for, until a crash point ends it or all is done."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from loopy.domain import crashpoints
from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Wait, remaining
from loopy.process import alive
from tests.chaos.stage import Stage, open_stage

Doom = tuple[str, int] | None  # SIGKILL at the n-th visit of this crash point
PATIENCE_S = 20.0


def forked(act: Callable[[], None]) -> int:
    """Run `act` in a child process; return its pid. The parent holds no database connection, so none is inherited."""
    pid = os.fork()
    if pid:
        return pid
    try:
        act()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def live(folder: Path, url: str, name: str, began: float, seed: int, doom: Doom, *, approve: bool) -> None:
    """Live as a worker until everything has ended."""
    visits: Counter[str] = Counter()

    def reached(point: str) -> None:
        visits[point] += 1
        if doom and point == doom[0] and visits[point] >= doom[1]:
            os.kill(os.getpid(), signal.SIGKILL)

    rng = random.Random(seed)
    stage = open_stage(folder, url, began, rng, approve=approve)
    alive.hold(folder / "alive", name)
    crashpoints.install(reached)
    performer = stage.hire(name)
    performer.pulse.start()
    sweep, give_up = stage.sweep(name), time.monotonic() + PATIENCE_S
    while not _all_ended(stage):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not done in {PATIENCE_S:.0f} s: {_open(stage)}")
        sweep.once()
        for run in _queued(stage, rng):
            for step in remaining(run.segment, run.step):
                if not performer.perform(run.id, Step(step), run.epoch):
                    break
        _attend(stage, rng)
        time.sleep(0.002)
    performer.pulse.stop()
    stage.fire(name)


def _queued(stage: Stage, rng: random.Random) -> list[Run]:
    with stage.graph.read() as tx:
        queued = list(tx.runs.by_state(RunState.QUEUED))
    rng.shuffle(queued)
    return queued


def _runs(stage: Stage) -> list[Run]:
    with stage.graph.read() as tx:
        return list(tx.runs.page("", 1000))


def _open(stage: Stage) -> str:
    return ", ".join(
        f"{r.id} {r.state} {r.wait or ''} at {r.step}" for r in _runs(stage) if r.state is not RunState.ENDED
    )


def _all_ended(stage: Stage) -> bool:
    return all(run.state is RunState.ENDED for run in _runs(stage))


def _attend(stage: Stage, rng: random.Random) -> None:
    """Answer the inbox, as a person would."""
    for run in _runs(stage):
        with suppress(LoopyError):
            if run.wait is Wait.APPROVAL:
                stage.intake.answer(run.id, "approve" if rng.random() < 0.85 else "reject", "person")
            elif run.wait is Wait.QUESTION:
                stage.intake.resume(run.id, "person", give_up=rng.random() < 0.3)
            elif rng.random() < 0.002 and run.state is not RunState.ENDED:
                stage.intake.cancel(run.ticket, "person")
