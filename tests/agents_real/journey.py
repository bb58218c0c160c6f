"""A ticket's way to a verified receipt: `loopy run` and `loopy verify` as a person calls them, in a scratch home, with real CLIs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopy.agents.scripted.play import BROKEN, still_alive
from loopy.agents.scripted.setup import Setup, setup_for
from loopy.domain.agent import Agent
from loopy.settings.write import add_agent
from tests.agents.support import CATALOG
from tests.support.boxes import WORKS

RUN_S = 150.0
TITLE = "Fix add() in app.py and write NOTES.md"
CHECKS = """\
[[checks]]
name = "add"
argv = ["python3", "-c", "import app; assert app.add(2, 3) == 5"]

[[checks]]
name = "notes"
argv = ["grep", "-q", "hello", "NOTES.md"]
"""
HOME = f"""\
[policy]
sandbox = "{"fs-only" if WORKS else "none"}"
turns = 2
"""
PEOPLE = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass
class House:
    """A scratch home of Loopy's, an operator's home with his CLIs' settings, and a repository."""

    folder: Path
    path: str  # where programs are found
    env: dict[str, str] = field(default_factory=dict)

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    def settle(self, agents: Sequence[tuple[Agent, Setup]]) -> None:
        """Make it all; an agent's setup stands in the operator's home and environment."""
        operator, home, text = self.folder / "operator", self.folder / "home", HOME
        for made in (operator, home, self.repo):
            made.mkdir(mode=0o700)
        self.env = {"PATH": self.path, "HOME": str(operator), "LOOPY_HOME": str(home), "LANG": "C.UTF-8", **PEOPLE}
        for agent, setup in agents:
            setup.settle(operator)
            self.env |= setup.env
            text = add_agent(text, agent)
        (home / "loopy.toml").write_text(text)
        (self.repo / "app.py").write_text(BROKEN)
        (self.repo / "loopy.toml").write_text(CHECKS)
        for words in (
            ["init", "-q", "-b", "main"],
            ["add", "-A"],
            ["commit", "-q", "-m", "An adder, with a bug in it"],
        ):
            subprocess.run(["git", *words], cwd=self.repo, env=self.env, check=True)

    def loopy(self, *words: str, timeout_s: float = RUN_S) -> subprocess.CompletedProcess[str]:
        """Call the command line."""
        argv = [sys.executable, "-P", "-m", "loopy", *words]
        return subprocess.run(
            argv, cwd=self.repo, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip

    def git(self, *words: str) -> str:
        """Return what git says in the repository."""
        done = subprocess.run(["git", *words], cwd=self.repo, env=self.env, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def tree(self, run_id: str = "LP-1.1") -> Path:
        """Return where the run's work tree will be."""
        return self.folder / "home" / "work" / run_id / "tree"

    def run(self, agent: str) -> subprocess.CompletedProcess[str]:
        """File the ticket and follow its run; the body tells the scripted model where it is."""
        body = f"add() subtracts. NOTES.md says hello. [[cwd={self.tree()}]]"
        return self.loopy("run", TITLE, "--body", body, "--repo", ".", "--agent", agent)


@dataclass(frozen=True)
class Arrived:
    """What came of one ticket; `problem` is "" when the receipt was verified."""

    seconds: float
    verdict: str
    problem: str = ""
    alive: tuple[str, ...] = ()


def travel(cli: str, base: str, path: str, folder: Path) -> Arrived:
    """Take one ticket through Loopy with the CLI as its only agent."""
    setup = setup_for(CATALOG[cli], base)
    house = House(folder, path)
    house.settle([(setup.made("worker", cli, idle_s=60, wall_s=110), setup)])
    return arrive(house, "worker")


def arrive(house: House, agent: str) -> Arrived:
    """Run the ticket, verify the receipt from outside, and look for what is left alive."""
    began = time.monotonic()
    try:
        ran = house.run(agent)
        verified = house.loopy("verify", "LP-1.1", "--repo", ".", timeout_s=60)
    except subprocess.TimeoutExpired as error:
        return Arrived(time.monotonic() - began, "?", f"not done after {error.timeout:.0f} s")
    took = time.monotonic() - began
    verdict = "PASSED" if ran.returncode == 0 else f"exit {ran.returncode}"
    problem = "" if ran.returncode == 0 == verified.returncode else _said(ran) + _said(verified)
    if not problem and (house.repo / "NOTES.md").exists():
        problem = "the change stands in the operator's own tree"
    return Arrived(took, verdict, problem, tuple(still_alive(house.folder)))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit {done.returncode}: {(done.stdout + done.stderr)[-1500:]}\n"


def receipt(house: House) -> Mapping[str, Any]:
    """Return the receipt's predicate as it lies in the home."""
    text = (house.folder / "home" / "runs" / "LP-1.1" / "receipt.statement.json").read_text()
    found = json.loads(text)["predicate"]
    assert isinstance(found, dict)
    return found


def path_of(programs: Path) -> str:
    """Return a PATH with the installed CLIs and the system, and nothing of the operator's."""
    return os.pathsep.join([str(programs), "/usr/local/bin", "/usr/bin", "/bin"])
