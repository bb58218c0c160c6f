"""One scenario with an installed CLI, by Loopy's own driver against the scripted model, in a scratch folder and home."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from loopy.agents.environment import Operator
from loopy.agents.paper import PaperLeash
from loopy.agents.scripted.scenarios import SCENARIOS, Played
from loopy.agents.scripted.server import ModelServer
from loopy.agents.scripted.setup import Drive, setup_for
from loopy.agents.spec import Spec
from loopy.domain.agent import Turned
from loopy.domain.policy import PathRule, Policy
from loopy.ports import Brief, Driver, Workspace
from loopy.process.capture import probe
from loopy.process.hunt import Proc, lingering, slurp

BROKEN = "def add(a, b):\n    return a - b\n"
NOTES = "NOTES.md"
TASK = "Fix add() in app.py and write NOTES.md. [[cwd={tree}]]"
DENIED = Policy(paths=(PathRule(deny=(NOTES,), why="the scenario denies it"),))
IDLE_S, WALL_S, GIT_S = 25, 75, 20  # by default silence is borne for five minutes
LINGER_S = 2.0
NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Stage:
    """Where scenarios are played: with this CLI, driven so, on this model; `driver` makes one for an operator."""

    spec: Spec
    drive: Drive
    path: str  # where programs are found; nothing else of the operator's reaches the CLI
    model: ModelServer
    driver: Callable[[Operator], Driver]

    def play(self, scenario: str, folder: Path) -> Played:
        """Return what the scenario came to, in a folder of its own."""
        told = self._briefed(scenario, folder)
        tag = f"{self.spec.id}-{self.drive}-{scenario}"
        session, turn = "", 1
        if scenario == "unknown":
            session = (self.spec.own_model and self.spec.own_model.unknown_session) or str(uuid.uuid4())
        if scenario == "resume":  # by the session of a turn before
            first = Played(cli=self.spec.id, scenario="ok", came_to=Turned())
            session, turn = self._turn(first, told, folder, f"{tag}-first").came_to.session_id, 2
        played = Played(cli=self.spec.id, scenario=scenario, came_to=Turned(), session=session, drive=self.drive)
        return self._turn(played, replace(told, turn=turn, session_id=session), folder, tag)

    def _briefed(self, scenario: str, folder: Path) -> Brief:
        tree = folder / "tree"
        tree.mkdir(parents=True)
        (tree / "app.py").write_text(BROKEN, encoding="utf-8")
        env = {"PATH": self.path, "GIT_CONFIG_GLOBAL": os.devnull}
        for words in (("init", "-q"), ("add", "-A"), (*NOBODY, "commit", "-qm", "An adder, with a bug in it")):
            probe(["git", *words], env, GIT_S, cwd=tree)
        return Brief(TASK.format(tree=tree), 1, "", DENIED if scenario == "denied" else Policy())

    def _turn(self, played: Played, told: Brief, folder: Path, tag: str) -> Played:
        """Let the CLI do one turn, with an operator's home of its own; write what came of it into `played`."""
        setup = setup_for(self.spec, self.model.url(SCENARIOS[played.scenario].played, tag), self.drive)
        home, runs, tree = folder / "operator", folder / "run", folder / "tree"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        runs.mkdir(exist_ok=True)
        setup.settle(home)
        driver = self.driver(Operator({"PATH": self.path, **setup.env}, home))
        agent = setup.made("a", self.spec.id, idle_s=IDLE_S, wall_s=WALL_S)
        place, leash = (
            Workspace("LP-1.1", "repo", "0" * 40, tree, runs, folder / "lock"),
            PaperLeash("LP-1.1", told.turn),
        )
        began = time.monotonic()
        played.came_to = driver.turn(agent, told, place, leash)
        played.seconds = time.monotonic() - began
        played.events, played.alive = leash.events, still_alive(folder)
        played.mended = (tree / "app.py").read_text(encoding="utf-8") != BROKEN
        played.noted = (tree / NOTES).exists()
        played.anew = any("starts anew" in event.text for event in leash.events if event.name == "step.progress")
        played.asked = sum(asked.tag == tag and asked.step >= 0 for asked in self.model.asked)
        return played


def still_alive(folder: Path) -> list[str]:
    """Return the processes whose environment or command line speaks of this folder: the agent's scratch home lies in it."""
    mark = os.fsencode(str(folder))

    def speaks(proc: Proc) -> bool:
        return mark in slurp(f"/proc/{proc.pid}/environ") or mark in slurp(f"/proc/{proc.pid}/cmdline")

    return [f"{proc.pid} {slurp(f'/proc/{proc.pid}/cmdline')[:120]!r}" for proc in lingering(speaks, LINGER_S)]
