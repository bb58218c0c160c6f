"""The demo's stage: a scratch home, a real git repository, four tickets as data, and worker processes to start and kill."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

import loopy
from loopy.bootstrap.services import Services, services
from loopy.domain.agent import Agent
from loopy.domain.ticket import Ticket, TicketId
from loopy.domain.value import Value
from loopy.git.runner import Git
from loopy.process import background
from loopy.process.background import Background
from loopy.sandbox.choose import Asked, Lacking, look_here
from loopy.settings.write import add_agent

PEOPLE = {
    f"GIT_{who}_{what}": v
    for who in ("AUTHOR", "COMMITTER")
    for what, v in (("NAME", "Demo"), ("EMAIL", "demo@localhost"))
}


class Piece(Value):
    """One ticket of the demo and how its run must end."""

    key: str
    title: str
    body: str
    agent: str
    priority: int
    verdict: str
    kill: bool = False
    failover_to: str = ""


@dataclass(frozen=True)
class Stage:
    """A set stage; everything lies below `folder`."""

    folder: Path
    repo: Path
    env: Mapping[str, str]
    made: Services
    pieces: tuple[Piece, ...]
    lacking: Lacking | None = None  # why its agents run without a sandbox

    def worker(self, name: str) -> Background:
        """Start a real worker process with beat."""
        argv = [sys.executable, "-P", "-m", "workers", "--ephemeral"]  # -P: a folder `workers` here must not be ours
        return background.start(argv, self.env, self.folder / "home" / "logs" / f"{name}.log")

    def file(self, piece: Piece) -> str:
        """File the piece's ticket and start its run; return the run's id."""
        ticket = Ticket(
            id=TicketId(""),
            title=piece.title,
            body=piece.body,
            repo=str(self.repo),
            assignee=piece.agent,
            priority=piece.priority,
            source="demo",
            created_at=datetime.now(UTC),
        )
        filed = self.made.intake.file(ticket)
        return self.made.intake.start(filed.id, "demo").id


def set_stage(agent: str, environ: Mapping[str, str]) -> Stage:
    """Make the scratch home and the repository. `agent` names a catalogue entry to do ticket `fix`, "" for the script."""
    text, pieces = home_toml(), tickets()
    if agent:
        pieces = tuple(p.model_copy(update={"agent": agent}) if p.key == "fix" else p for p in pieces)
        text = add_agent(text, Agent(name=agent, cli=agent))
    return build(text, pieces, environ)


def home_toml() -> str:
    """Return the settings of the demo's home, with its `{python}`, `{agents}` and `{loopy}`."""
    return (files("loopy.demo") / "home.toml").read_text()


def tickets() -> tuple[Piece, ...]:
    """Return the demo's tickets."""
    rows = tomllib.loads((files("loopy.demo") / "tickets.toml").read_text())["tickets"]
    return tuple(Piece(**row) for row in rows)


def build(text: str, pieces: tuple[Piece, ...], environ: Mapping[str, str], prefix: str = "loopy-demo-") -> Stage:
    """Make a scratch home with these settings, the demo's scripts and its repository."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    here = files("loopy.demo")
    with as_file(here / "agents") as agents, as_file(here / "package") as package:
        shutil.copytree(agents, folder / "agents", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(package, folder / "repo", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    home = folder / "home"
    home.mkdir(mode=0o700)
    _commit(folder / "repo")
    kept = {k: v for k, v in environ.items() if not k.startswith("LOOPY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    env = {**kept, "LOOPY_HOME": str(home), "PATH": path}  # the package's checks say `python`
    found = look_here(Asked(path=path))
    lacking = found if isinstance(found, Lacking) else None
    if lacking:
        text = text.replace('sandbox = "fs-only"', 'sandbox = "none"')
    (home / "loopy.toml").write_text(_filled(text, folder / "agents"))
    return Stage(folder, folder / "repo", env, services(env), pieces, lacking)


def _filled(text: str, agents: Path) -> str:
    words = {"{python}": sys.executable, "{agents}": str(agents), "{loopy}": str(Path(loopy.__file__).parent)}
    for name, value in words.items():
        text = text.replace(name, value)
    return text


def _commit(repo: Path) -> None:
    git, inside = Git(), repo / ".git"
    git.run(["init", "--quiet", "--initial-branch=main"], inside, work_tree=repo, cwd=repo)
    git.run(["add", "--all"], inside, work_tree=repo)
    git.run(["commit", "--quiet", "--message", "Tinydates, with a bug in it"], inside, work_tree=repo, env=PEOPLE)
