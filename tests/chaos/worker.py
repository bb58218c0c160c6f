"""One short life: a forked worker process that does whatever the graph asks for, until its fate ends it or all is done."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn

from loopy.domain import crashpoints
from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Wait, remaining
from loopy.engine.perform import Performer
from loopy.process import alive
from loopy.process.become import SET_PDEATHSIG, prctl
from tests.chaos.fate import Doom, Fate
from tests.chaos.stage import Plot, Stage, open_stage

PATIENCE_S = 20.0
PAUSE_S = 0.002
WIRE_S = (0.0, 0.0, 0.005, 0.02)  # what a message may take: who wakes up may be there before it, or behind it
NAPS_S = (0.0, 0.0, 0.0, 0.0, 0.006)  # longer than a heartbeat


def forked(act: Callable[[], None]) -> int:
    """Run `act` in a child process; return its pid. The parent holds no database connection, so none is inherited."""
    parent, pid = os.getpid(), os.fork()
    if pid:
        return pid
    try:
        prctl(SET_PDEATHSIG, signal.SIGKILL)  # one that is stopped would else outlive a parent that was killed
        if os.getppid() == parent:
            act()
    except BaseException:
        _fail()
    os._exit(0)


def _fail() -> NoReturn:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)


def live(plot: Plot, name: str, seed: int, dooms: Sequence[Doom]) -> None:
    """Live as a worker until everything has ended."""
    rng = random.Random(seed)
    stage = open_stage(plot, rng, name)
    alive.hold(plot.folder / "alive", name)
    fate = Fate(dooms, plot.told(name), stage.still, lambda run_id: stage.run(run_id).owner is None)
    if plot.stalls:
        fate.nap = lambda: time.sleep(rng.choice(NAPS_S))
    crashpoints.install(fate.reached)
    performer, over = stage.hire(name), threading.Event()
    performer.pulse.start()
    sweep, give_up = stage.sweep(name), time.monotonic() + PATIENCE_S
    hands = [_hand(stage, performer, fate, rng, over)] if plot.stalls else []
    while not _all_ended(stage):
        if time.monotonic() > give_up:
            raise TimeoutError(f"not done in {PATIENCE_S:.0f} s: {_open(stage)}")
        sweep.once()
        _work(stage, performer, fate, rng)
        _attend(stage, rng)
        time.sleep(PAUSE_S)
    over.set()
    for hand in hands:
        hand.join(PATIENCE_S)
    performer.pulse.stop()
    stage.fire(name)


def _hand(
    stage: Stage, performer: Performer, fate: Fate, rng: random.Random, over: threading.Event
) -> threading.Thread:
    """Start a second thread that performs, as any worker has; what it raises ends the process."""

    def act() -> None:
        try:
            while not over.wait(PAUSE_S):
                _work(stage, performer, fate, rng)
        except BaseException:
            _fail()

    hand = threading.Thread(target=act, daemon=True)
    hand.start()
    return hand


def _work(stage: Stage, performer: Performer, fate: Fate, rng: random.Random) -> None:
    """Perform what is queued, each run to the end of its chain."""
    for run in _queued(stage, rng):
        for step in remaining(run.segment, run.step):
            fate.performs(run.id, Step(step))
            if stage.plot.stalls:
                time.sleep(rng.choice(WIRE_S))
            if not performer.perform(run.id, Step(step), run.epoch):
                break
        fate.rests()


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
