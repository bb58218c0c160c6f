"""A repository of the operator, a home, and an agent's view of a clone: real git, in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.change import Change
from loopy.domain.ticket import RunId
from loopy.ports import Workspace
from loopy.workspace.clones import Clones
from loopy.workspace.folders import Folders
from loopy.workspace.mirrors import Mirrors
from loopy.workspace.prescan import Limits

FILES = {
    "README.md": "# Shop\n",
    "src/app.py": "def total(prices):\n    return sum(prices)\n",
    "src/tax.py": "RATE = 0.2\n",
    "infra/main.tf": 'region = "eu"\n',
    "infra/vars.tf": "x = 1\n",
    "tests/test_app.py": "from app import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
    "tests/test_tax.py": "def test_rate():\n    assert 1 + 1 == 2\n",
    ".gitignore": "*.log\nbuild/\n",
}
_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Operator",
    "GIT_AUTHOR_EMAIL": "operator@localhost",
    "GIT_COMMITTER_NAME": "Operator",
    "GIT_COMMITTER_EMAIL": "operator@localhost",
}


def git(at: Path, *args: str, check: bool = True, stdin: str = "") -> str:
    """Run an ordinary, unpinned git, as a person or an agent would."""
    ran = subprocess.run(
        ["git", *args], cwd=at, env=_ENV, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )
    if check and ran.returncode:
        raise AssertionError(f"git {' '.join(args)}: {ran.stderr}")
    return ran.stdout.strip()


def put(at: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text(text)


def make_repository(at: Path, files: dict[str, str] | None = None, branch: str = "main") -> str:
    """Make a repository with one commit and return its id."""
    at.mkdir(parents=True)
    git(at, "init", "-q", "-b", branch)
    put(at, FILES if files is None else files)
    return commit_all(at, "first")


def commit_all(at: Path, message: str) -> str:
    git(at, "add", "-A")
    git(at, "commit", "-q", "--allow-empty", "-m", message)
    return git(at, "rev-parse", "HEAD")


@dataclass(frozen=True)
class World:
    """The operator's repository, and Loopy's home beside it."""

    root: Path
    repo: Path
    mirrors: Mirrors
    clones: Clones

    @property
    def address(self) -> str:
        return str(self.repo)

    def open(self, run: str = "LP-1.1", base: str = "") -> Workspace:
        return self.clones.open(RunId(run), self.address, base or self.mirrors.tip(self.address).commit)

    def snapshot(self, place: Workspace, token: int = 1) -> Change:
        return self.clones.snapshot(place, token)


def make_world(root: Path, limits: Limits | None = None) -> World:
    repo, home = root / "shop", root / "home"
    make_repository(repo)
    mirrors = Mirrors(Folders(home / "repos", home / "work", home / "runs"))
    return World(root, repo, mirrors, Clones(mirrors, limits))


def paths(change: Change) -> list[str]:
    return [entry.path for entry in change.entries]
