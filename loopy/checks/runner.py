"""Run set-up and checks in a clean checkout, each under a guard, and report what their exit codes say."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopy.checks.junit import read_junit
from loopy.checks.output import Kept, Log
from loopy.checks.scratch import scratch
from loopy.checks.stopping import stopped
from loopy.checks.summary import Summary
from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport, CheckResult, CheckSpec
from loopy.domain.errors import LostError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import FULL_DISK, Failure
from loopy.ports import Clock, Leash, Reach, Sandbox, Workspace
from loopy.process.command import Command, Ending, Exit, Marker
from loopy.process.runner import run
from loopy.process.space import is_full

SETUP = "setup"
JUNIT = "{junit}"  # in a word of argv: the path of a JUnit XML file that is read afterwards
SETUP_TIMEOUT_S = 1800
HINTS: Mapping[int, str] = {126: "not executable", 127: "command not found"}  # as shells say it


class _Stopped(Exception):  # noqa: N818 - not an error: the word to stop, on its way out
    """A command did not come to an end of its own: the try is over."""

    def __init__(self, tried: Tried) -> None:
        super().__init__(tried.detail)
        self.tried = tried


@dataclass(frozen=True, slots=True)
class _Bench:
    """Where one report is made: the checkout, its scratch folder, and for whom."""

    at: Path
    scratch: Path
    place: Workspace
    leash: Leash

    def junit(self, number: str) -> Path:
        return self.scratch / f"junit-{number}.xml"


class CommandChecker:
    """The `Checker` port over guarded, boxed commands; `env` is everything they see beside a scratch home."""

    def __init__(
        self,
        sandbox: Sandbox,
        env: Mapping[str, str],
        clock: Clock,
        redact: Callable[[str], str] = lambda text: text,
        setup_timeout_s: int = SETUP_TIMEOUT_S,
    ) -> None:
        self._sandbox, self._env, self._clock, self._redact = sandbox, dict(env), clock, redact
        self._setup_timeout_s = setup_timeout_s

    def run(
        self,
        specs: Sequence[CheckSpec],
        setup: Sequence[Sequence[str]],
        tree: str,
        at: Path,
        place: Workspace,
        leash: Leash,
    ) -> CheckReport | Tried:
        """Run the set-up up to its first failure, then every check, whatever failed before.

        The report has a result named `setup` only when the set-up failed: a set-up that worked proves nothing.
        A cancel, a drain or a full disk comes back as `Tried`. Raises LostError when the claim is not ours any more.
        """
        try:
            with scratch(at) as folder:
                bench = _Bench(at, folder, place, leash)
                results = [*self._prepare(setup, bench), *(self._check(spec, n, bench) for n, spec in _numbered(specs))]
        except _Stopped as over:
            return over.tried
        except OSError as error:
            if error.errno not in FULL_DISK:
                raise
            return Tried(failure=Failure.DISK_FULL, detail=f"no room for the checks: {error.strerror}")
        return CheckReport(tree=tree, results=tuple(results), held=self._sandbox.held)

    def _prepare(self, setup: Sequence[Sequence[str]], bench: _Bench) -> list[CheckResult]:
        for n, argv in enumerate(setup, start=1):
            spec = CheckSpec(name=SETUP, argv=tuple(argv), timeout_s=self._setup_timeout_s)
            result = self._check(spec, f"00-{n}", bench)
            if not result.passed:
                return [result]
        return []

    def _check(self, spec: CheckSpec, number: str, bench: _Bench) -> CheckResult:
        log_path = Path("checks", f"{bench.leash.token:05d}-{number}-{spec.name}.log")
        argv = " ".join(spec.argv)
        bench.leash.emit(StreamEvent("check.started", spec.name, {"argv": argv, "log": str(log_path)}))
        junit = bench.junit(number)
        started_at, began = self._clock.now(), self._clock.awake()
        with Log(bench.place.folder / log_path, self._redact) as log:
            why, code = self._outcome(spec, bench, junit, log)
            kept = log.close()
        tests, failed = self._names(spec, junit, log.summary)
        result = CheckResult(
            name=spec.name,
            argv=spec.argv,
            cwd=spec.cwd,
            exit_code=code,
            passed=why == "" and code == 0,
            why=why,
            tail=_tail(kept, why),
            log_sha256=kept.sha256,
            log_path=str(log_path),
            started_at=started_at,
            duration_ms=round((self._clock.awake() - began) * 1000),
            tests=tests,
            failed_tests=failed,
        )
        bench.leash.emit(_finished(result))
        return result

    def _outcome(self, spec: CheckSpec, bench: _Bench, junit: Path, log: Log) -> tuple[str, int | None]:
        """Run the command; return why it did not pass ("" when it did) and its exit code."""
        cwd = bench.at / spec.cwd
        if not cwd.is_dir() or not cwd.resolve().is_relative_to(bench.at.resolve()):
            return f"its folder '{spec.cwd}' is not in the tree", None
        if not self._exists(spec.argv[0], cwd):
            return f"not found: '{spec.argv[0]}' is neither on PATH nor made by the set-up", None
        ended = run(
            self._command(spec, cwd, junit, bench),
            authorised=bench.leash.authorised,
            on_output=log.feed,
            stopping=bench.leash.stopping,
        )
        why = _why(spec, ended)
        if why and is_full(bench.at):  # a red check on a full disk says nothing of the tree
            raise _Stopped(Tried(failure=Failure.DISK_FULL, detail=f"no room for check {spec.name}: {why}"))
        return why, ended.code if ended.ending is Ending.EXITED else None

    def _command(self, spec: CheckSpec, cwd: Path, junit: Path, bench: _Bench) -> Command:
        home = {"HOME": str(bench.scratch / "home"), "TMPDIR": str(bench.scratch / "tmp")}
        words = tuple(word.replace(JUNIT, str(junit)) for word in spec.argv)
        env = self._env | home
        argv = self._sandbox.wrap(words, Reach(bench.at, (bench.scratch,), env=env))
        return Command(
            argv=tuple(argv),
            cwd=cwd,
            env=env,
            wall_s=spec.timeout_s,
            lock=bench.place.lock,
            marker=Marker(bench.leash.run_id, bench.leash.token),
            boxed=self._sandbox.keeper,
        )

    def _exists(self, program: str, cwd: Path) -> bool:
        """Whether the program is there; looked up before the sandbox, whose own words for it are unclear."""
        if "/" in program:
            return os.access(cwd / program, os.X_OK)
        folders = [folder for folder in self._env.get("PATH", "").split(":") if folder.startswith("/")]
        return shutil.which(program, path=":".join(folders)) is not None

    def _names(self, spec: CheckSpec, junit: Path, summary: Summary) -> tuple[int | None, tuple[str, ...]]:
        """Return how many tests ran and which failed: from JUnit XML if the command was given its place, else the output."""
        report = read_junit(junit) if any(JUNIT in word for word in spec.argv) else None
        if report is None:
            return summary.tests, summary.failed
        return report.tests, tuple(self._redact(name) for name in report.failed)


def _numbered(specs: Sequence[CheckSpec]) -> list[tuple[str, CheckSpec]]:
    return [(f"{n:02d}", spec) for n, spec in enumerate(specs, start=1)]


def _why(spec: CheckSpec, ended: Exit) -> str:
    """Return the reason for which the check did not pass, "" when it did. Raises when the try itself is over."""
    match ended.ending:
        case Ending.EXITED if ended.code == 0:
            return ""
        case Ending.EXITED:
            hint = HINTS.get(ended.code or 0, "")
            return f"exit {ended.code}: {hint}" if hint else f"exit {ended.code}"
        case Ending.SIGNALLED:
            return f"killed by {_signal_name(ended.signal)}"
        case Ending.DEADLINE:
            return f"timed out after {spec.timeout_s:,} s"
        case Ending.NOT_FOUND:
            return f"not found: {ended.why}"
        case Ending.LOST:
            raise LostError(f"check {spec.name}", ended.why)
        case Ending.STOPPED:
            raise _Stopped(stopped(f"check {spec.name}", ended.stopped_for))
        case _:
            raise LostError(f"check {spec.name}", "its guard heard nothing from the worker")


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _tail(kept: Kept, why: str) -> str:
    return kept.tail or (f"(no output; {why})" if why else "")


def _finished(result: CheckResult) -> StreamEvent:
    facts: dict[str, str | int | bool | None] = {
        "name": result.name,
        "passed": result.passed,
        "exit_code": result.exit_code,
        "duration_ms": result.duration_ms,
        "tests": result.tests,
        "failed_tests": len(result.failed_tests),
    }
    return StreamEvent("check.finished", f"{result.name}: {result.why or 'passed'}", facts)
