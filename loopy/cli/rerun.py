"""`loopy verify --rerun`: the receipt's checks once more, on a fresh checkout of the commit that it names."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli.paper import NO_SANDBOX, echo, ink, line
from loopy.cli.times import lasting
from loopy.domain.errors import RefusedError, WorkspaceError

if TYPE_CHECKING:
    from loopy.domain.check import CheckResult, CheckSpec
    from loopy.domain.events import StreamEvent
    from loopy.domain.statement import Statement

ASKED_FOR_DETAILS = 4000  # characters of a failed check's output


@dataclass(frozen=True, slots=True)
class Compared:
    """One check: the exit code that the receipt says, and the one that it has now."""

    name: str
    said: int | None
    found: int | None
    why: str
    duration_ms: int

    @property
    def same(self) -> bool:
        """Whether it ended as the receipt says."""
        return self.said == self.found


@dataclass(frozen=True, slots=True)
class Again:
    """All checks, compared."""

    checks: tuple[Compared, ...]

    @property
    def same(self) -> bool:
        """Whether every check ended as the receipt says."""
        return all(check.same for check in self.checks)


class HereAndNow:
    """`ports.Leash` and `ports.Clock` of a command that a person waits for: nobody else acts, nothing is streamed."""

    run_id, token = "rerun", 1

    def authorised(self) -> bool:
        """Whether it may act: always."""
        return True

    def stopping(self) -> str | None:
        """Why to stop: never; Ctrl-C ends the process and its guards with it."""
        return None

    def emit(self, *_events: StreamEvent) -> None:
        """Say nothing."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    def awake(self) -> float:
        """Return seconds on the monotonic clock."""
        return time.monotonic()


def rerun(statement: Statement, repo: Path | None, *, yes: bool, quiet: bool) -> Again:
    """Run the receipt's checks on a fresh checkout of its commit and compare exit codes; shows them and asks first.

    The set-up is the one that `loopy.toml` names at the base commit, never at the commit under test. Raises
    RefusedError when there is nothing to run or the person says no, WorkspaceError when the commit cannot be had.
    """
    from loopy.cli.reader import Objects
    from loopy.domain.check import CheckSpec
    from loopy.domain.project import FILE, parse_project

    said, head = statement.predicate, statement.commit
    if head is None or said.repo is None or not said.checks:
        raise RefusedError(
            "--rerun", "this receipt has no commit with checks", hint="only shipped changes can be re-run"
        )
    source = str(repo) if repo else said.repo.uri.removeprefix("git+")
    if source.startswith("loopy:"):  # a folder of the signer's machine, whose path the receipt does not tell
        raise RefusedError("--rerun", "the receipt names no repository that can be fetched", hint="--repo PATH")
    with tempfile.TemporaryDirectory(prefix="loopy-rerun-") as folder:
        git_dir = _fetched(Path(folder), source, head)
        text = Objects(git_dir).read(said.repo.base.digest.git_commit, FILE)
        setup = parse_project(text.decode("utf-8", "replace")).setup if text else ()
        specs = [CheckSpec(name=c.name, argv=c.argv, cwd=c.cwd, timeout_s=86_400) for c in said.checks]
        if not quiet:
            _show(source, head, setup, specs)
        _ask(yes)
        results = {r.name: r for r in run_checks(Path(folder), git_dir, head, setup, specs)}
    again = Again(tuple(_compared(c.name, c.exit_code, results.get(c.name)) for c in said.checks))
    if not quiet:
        _tell(again, results)
    return again


def _fetched(folder: Path, source: str, head: str) -> Path:
    """Return a fresh bare repository that holds the commit: asked for by id, else found on the branches."""
    from loopy.domain.repository import parse
    from loopy.git.remote import Operator, fetching
    from loopy.git.runner import Git

    git, git_dir, address = Git(), folder / "repo.git", parse(source)
    git.run(["init", "--quiet", "--bare", "--template=", str(git_dir)], folder)
    home = {"HOME": os.environ["HOME"]} if os.environ.get("HOME") else {}
    env = {} if address.local else Operator(home).env(git, git_dir)
    words = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", address.address]
    for refspec in (f"{head}:refs/loopy/head", "+refs/heads/*:refs/remotes/them/*"):
        ran = git.run([*words, refspec], git_dir, env=env, settings=fetching(address), timeout_s=1800, ok=range(256))
        if git.run(["cat-file", "-e", f"{head}^{{commit}}"], git_dir, ok=range(256)).code == 0:
            return git_dir
    hint = "give a clone that has it: --repo PATH"
    raise WorkspaceError(line(source), f"does not give commit {head[:12]}: {line(ran.err, 200)}", hint=hint)


def _show(source: str, head: str, setup: Sequence[Sequence[str]], specs: Sequence[CheckSpec]) -> None:
    echo()
    echo(f"on a fresh checkout of {head[:12]} from {line(source)} these commands are run:")
    for argv in setup:
        echo(f"  set-up  {line(' '.join(argv))}")
    for spec in specs:
        echo(f"  {spec.name:<7} {line(' '.join(spec.argv))}{f'  (in {line(spec.cwd)})' if spec.cwd != '.' else ''}")
    echo(f"{ink(NO_SANDBOX, 'alarm')}: they run with your rights")


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise RefusedError("--rerun", "nobody can be asked here", hint="--yes, if you have read the commands")
    if not click.confirm("run them?", default=False):
        raise RefusedError("--rerun", "not run: you said no")


def run_checks(
    folder: Path, git_dir: Path, head: str, setup: Sequence[Sequence[str]], specs: Sequence[CheckSpec]
) -> Sequence[CheckResult]:
    """Run set-up and checks on a fresh checkout of the commit below `folder`; raises WorkspaceError if they cannot run."""
    from loopy.checks.environment import check_environment
    from loopy.checks.runner import CommandChecker
    from loopy.domain.agent import Tried
    from loopy.git.runner import Git
    from loopy.ports import Workspace
    from loopy.sandbox.none import NoSandbox

    at, kept = folder / "tree", folder / "run"
    at.mkdir(mode=0o700)
    kept.mkdir(mode=0o700)
    index = folder / "index"
    Git().run(["read-tree", "--reset", "-u", head], git_dir, work_tree=at, index=index, timeout_s=600)
    here = HereAndNow()
    checker = CommandChecker(NoSandbox(), check_environment(os.environ), here)
    place = Workspace(here.run_id, str(git_dir), head, at, kept, kept / "run.lock")
    report = checker.run(specs, setup, head, at, place, here)
    if isinstance(report, Tried):
        raise WorkspaceError("checks", report.detail)
    return report.results


def _compared(name: str, said: int | None, result: CheckResult | None) -> Compared:
    if result is None:
        return Compared(name, said, None, "was not run", 0)
    return Compared(name, said, result.exit_code, result.why, result.duration_ms)


def _tell(again: Again, results: dict[str, CheckResult]) -> None:
    failed = results.get("setup")
    if failed:
        echo(f"{ink('✗', 'bad')} set-up       {line(failed.why)}")
    for check in again.checks:
        mark, name = ("✓", "good") if check.same else ("✗", "bad")
        words = "as the receipt says" if check.same else f"the receipt says {check.said}"
        took = lasting(check.duration_ms / 1000)
        echo(f"{ink(mark, name)} {check.name:<12} exit {check.found}, {words} ({took})")
        result = results.get(check.name)
        if not check.same and result is not None and result.tail:
            from loopy.cli.paper import safe

            echo(ink(safe(result.tail[-ASKED_FOR_DETAILS:]), "quiet"))
