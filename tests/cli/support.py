"""A scratch home and a real repository, and `loopy` as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from loopy.bootstrap.services import Services, services
from loopy.cli.main import cli
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import Ticket, TicketId

PEOPLE = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
GIT_ENV = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null", **PEOPLE}

SETTINGS = """\
[policy]
sandbox = "none"

[agents.worker]
cli = "command"
argv = ["sh", "-c", "echo done >> a.txt"]
"""


@dataclass(frozen=True)
class Said:
    """What a command printed and returned."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class House:
    """A home, a repository, and the command line on both."""

    home: Path
    repo: Path
    env: dict[str, str] = field(default_factory=dict)

    def loopy(self, *words: str, stdin: str = "", env: Mapping[str, str | None] | None = None) -> Said:
        result = CliRunner().invoke(cli, list(words), input=stdin, env={**self.env, **(env or {})})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def settle(self, text: str = SETTINGS) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        (self.home / "loopy.toml").write_text(text)

    def made(self) -> Services:
        return services({"LOOPY_HOME": str(self.home), "HOME": str(self.home.parent), "PATH": os.environ["PATH"]})


def git(repo: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=repo, env=GIT_ENV, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_repo(path: Path, files: Mapping[str, str]) -> Path:
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "Begin")
    return path


def file_and_start(made: Services, title: str, repo: Path, **said: Any) -> Run:
    wanted = Ticket(id=TicketId(""), title=title, repo=str(repo), created_at=datetime.now(UTC), **said)
    return made.intake.start(made.intake.file(wanted).id, "tester")


def put(made: Services, run: Run, name: str = "run.put", text: str = "", **changes: Any) -> Run:
    """Move a run where a test wants it, as the engine would: one compare-and-set with its event."""
    with made.graph.write() as tx:
        now = tx.runs.get(run.id)
        assert now is not None
        return tx.runs.move(now, name, text, **changes)


def wait_for_approval(made: Services, run: Run, text: str = "May it ship?") -> Run:
    where = {"state": RunState.WAITING, "wait": Wait.APPROVAL, "segment": Segment.FINISH, "step": Step.SHIP}
    moved = put(made, run, "run.waiting", "before-ship approval", **where, verdict=Verdict.PASSED)
    with made.graph.write() as tx:
        tx.approvals.open(moved, "ship", "a" * 64, text)
    return moved


def end(made: Services, run: Run, verdict: Verdict, reason: str = "") -> Run:
    ended = datetime.now(UTC)
    return put(made, run, "run.ended", state=RunState.ENDED, verdict=verdict, reason=reason, ended_at=ended)


Loopy = Callable[..., Said]
