"""A bench for checks: a leash that remembers what was said, a clock, a place, and a box that only notes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopy.checks.environment import check_environment
from loopy.checks.runner import CommandChecker
from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport, CheckSpec
from loopy.domain.events import StreamEvent
from loopy.domain.held import Held
from loopy.ports import Reach, Workspace


@dataclass
class Leash:
    run_id: str = "LP-1.1"
    token: int = 7
    stop: Callable[[], str | None] = lambda: None
    current: bool = True
    said: list[StreamEvent] = field(default_factory=list)

    def authorised(self) -> bool:
        return self.current

    def stopping(self) -> str | None:
        return self.stop()

    def emit(self, *events: StreamEvent) -> None:
        self.said.extend(events)


class Ticks:
    """A clock on which each look is a quarter of a second after the last."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 22, tzinfo=UTC)

    def awake(self) -> float:
        self.at += 0.25
        return self.at


@dataclass
class Box:
    """A sandbox that boxes nothing and remembers what it was asked for."""

    held: Held = field(default_factory=lambda: Held(backend="note"))
    keeper: bool = False
    asked: list[tuple[tuple[str, ...], Path, tuple[Path, ...]]] = field(default_factory=list)

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        self.asked.append((tuple(argv), reach.work, tuple(reach.writable)))
        return ("env", "BOXED=yes", *argv)


@dataclass
class Bench:
    root: Path
    leash: Leash = field(default_factory=Leash)
    box: Box = field(default_factory=Box)
    env: Mapping[str, str] = field(default_factory=lambda: check_environment(os.environ))
    redact: Callable[[str], str] = lambda text: text

    def __post_init__(self) -> None:
        self.at.mkdir(parents=True)
        self.place.folder.mkdir(parents=True)

    @property
    def at(self) -> Path:
        return self.root / "work" / "check-7"

    @property
    def place(self) -> Workspace:
        folder = self.root / "runs" / "LP-1.1"
        return Workspace("LP-1.1", "/repo", "c0ffee", self.root / "work" / "tree", folder, folder / "lock")

    def run(self, *specs: CheckSpec, setup: Sequence[Sequence[str]] = ()) -> CheckReport | Tried:
        checker = CommandChecker(self.box, self.env, Ticks(), self.redact, setup_timeout_s=60)
        return checker.run(specs, setup, "7ree", self.at, self.place, self.leash)

    def report(self, *specs: CheckSpec, setup: Sequence[Sequence[str]] = ()) -> CheckReport:
        report = self.run(*specs, setup=setup)
        assert isinstance(report, CheckReport)
        return report

    def log(self, path: str) -> str:
        return (self.place.folder / path).read_text()


def sh(script: str, name: str = "tests", **more: int | str) -> CheckSpec:
    return CheckSpec.model_validate({"name": name, "argv": ("sh", "-c", script), **more})
