"""The drill: a limit in mid-run on the operator's own chain, rehearsed on the real stack; no agent's program is asked."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from loopy.demo.stage import Stage, build, home_toml, tickets
from loopy.domain.agent import Agent
from loopy.domain.events import Event
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict, Wait
from loopy.process.background import Background
from loopy.process.capture import probe
from loopy.settings.write import add_agent

PATIENCE_S, LOOK_S = 120.0, 0.1
TICKET = "limit"  # half of its work is done by one script, the rest by another
GONE = "not-usable-now"  # no such program: as the engine meets an agent that is not usable
Say = Callable[[str, str], None]  # text, ink
Tell = Callable[[Event], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Link:
    """One agent of the chain as it is now: whether it could take over, and why not."""

    name: str
    usable: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Drilled:
    """What came of it: who took over from whom, and after how many seconds; or until when the run would wait."""

    limited: str
    successor: str = ""
    after_s: float = 0.0
    waits_until: datetime | None = None
    verified: bool = False
    fault: str = ""


def drill(chain: Sequence[Link], say: Say, tell: Tell, environ: Mapping[str, str]) -> Drilled:
    """Run one ticket through the chain, its first usable agent limited in the middle of its work.

    Each agent is played by a script, labelled so; which of them are usable is the operator's own machine now. The
    scratch home is removed when all went well.
    """
    limited = next((link.name for link in chain if link.usable), "")
    if not limited:
        return Drilled("", fault="no agent of the chain is usable")
    piece = next(p for p in tickets() if p.key == TICKET).model_copy(update={"agent": named(chain[0].name)})
    stage = build(_settings(chain, limited), (piece,), environ, "loopy-drill-")
    worker = stage.worker("worker")
    try:
        run = _follow(stage, worker, stage.file(piece), say, tell)
        found = _judged(stage, run, limited)
    finally:
        worker.stop()
        stage.made.graph.close()
    if found.fault:
        say(f"what it left: {stage.folder}", "quiet")
    else:
        shutil.rmtree(stage.folder, ignore_errors=True)
    return found


def named(name: str) -> str:
    """Return the name of an agent's stand-in: as the operator's file may say it."""
    return name.replace("@", "-at-")[:40]


def _settings(chain: Sequence[Link], limited: str) -> str:
    text = home_toml().partition("[agents.")[0]
    for n, link in enumerate(chain):
        script = "limited" if link.name == limited else "finisher"
        argv = ("{python}", f"{{agents}}/{script}.py") if link.usable else (GONE,)
        rest = tuple(named(other.name) for other in chain[n + 1 :])
        text = add_agent(text, Agent(name=named(link.name), argv=argv, fallback=rest, scripted=True))
    return text


def _follow(stage: Stage, worker: Background, run_id: str, say: Say, tell: Tell) -> Run:
    """Tell the events until the run has ended or waits for a reset."""
    after, give_up = 0, time.monotonic() + PATIENCE_S
    while True:
        for event in stage.made.graph.events(after, run_id):
            after = event.id
            for text, ink in tell(event):
                say(text, ink)
        with stage.made.graph.read() as tx:
            run = tx.runs.get(run_id)
        assert run is not None
        waits = run.state is RunState.WAITING and run.wait is Wait.LIMIT
        if run.state is RunState.ENDED or waits or not worker.alive or time.monotonic() > give_up:
            return run
        time.sleep(LOOK_S)


def _judged(stage: Stage, run: Run, limited: str) -> Drilled:
    with stage.made.graph.read() as tx:
        attempts, story = tx.runs.attempts(run.id), tx.runs.story(run.id)
    if run.wait is Wait.LIMIT:
        return Drilled(limited, waits_until=run.wake_at)
    if run.verdict is not Verdict.PASSED:
        return Drilled(limited, fault=f"the run did not pass: {run.verdict or run.state} {run.reason}".strip())
    seen = probe([sys.executable, "-m", "loopy", "verify", run.id, "--repo", str(stage.repo)], stage.env, 60)
    met = next(a for a in attempts if a.agent == named(limited) and not a.to_agent)
    took = next((e.at for e in story if e.name == "step.claimed" and e.step == "code" and e.at > met.at), met.at)
    fault = "" if seen.exit.ok else "its receipt was not verified"
    return Drilled(limited, run.agent, (took - met.at).total_seconds(), verified=seen.exit.ok, fault=fault)
