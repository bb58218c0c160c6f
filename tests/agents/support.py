"""What the tests of agents share: a leash on paper, a place in a folder, a clock, and scripts that play a CLI."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from loopy.agents.catalogue import load_catalog
from loopy.agents.environment import Operator
from loopy.agents.print_driver import PrintDriver
from loopy.agents.redact import Redactor
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.events import StreamEvent
from loopy.ports import Workspace
from loopy.sandbox.none import NoSandbox

NOW = datetime(2026, 11, 22, 14, 51, tzinfo=UTC)
CATALOG = load_catalog()


class FixedClock:
    """A wall clock that stands, and an awake clock that runs or is set by hand."""

    def __init__(self, awake: Callable[[], float] = time.monotonic) -> None:
        self._awake = awake

    def now(self) -> datetime:
        return NOW

    def awake(self) -> float:
        return self._awake()


class PaperLeash:
    """A leash that keeps what was emitted; `stop_when` may look at it."""

    def __init__(self, token: int = 1) -> None:
        self.run_id, self.token = "LP-1.1", token
        self.allowed = True
        self.events: list[StreamEvent] = []
        self.batches: list[int] = []
        self.stop_when: Callable[[PaperLeash], str | None] = lambda _: None

    def authorised(self) -> bool:
        return self.allowed

    def stopping(self) -> str | None:
        return self.stop_when(self)

    def emit(self, *events: StreamEvent) -> None:
        self.batches.append(len(events))
        self.events += events

    def texts(self, name: str) -> list[str]:
        return [event.text for event in self.events if event.name == name]

    def output(self) -> str:
        return "\n".join(self.texts("agent.output"))


def place_in(folder: Path) -> Workspace:
    tree, runs = folder / "tree", folder / "run"
    tree.mkdir(exist_ok=True)
    runs.mkdir(exist_ok=True)
    return Workspace("LP-1.1", "repo", "0" * 40, tree, runs, folder / "lock")


def driver(
    env: Mapping[str, str] | None = None,
    *,
    catalog: Mapping[str, Spec] = CATALOG,
    home: Path | None = None,
    secrets: tuple[str, ...] = (),
    clock: FixedClock | None = None,
) -> PrintDriver:
    operator = Operator({"PATH": os.defpath, **(env or {})}, home)
    return PrintDriver(catalog, operator, NoSandbox(), clock or FixedClock(), Redactor(secrets))


def program(folder: Path, source: str, name: str = "agent") -> Path:
    """Write an executable Python script."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(f"#!{sys.executable} -S\n{source}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def command(folder: Path, source: str, idle_s: int = 20, wall_s: int = 60) -> Agent:
    """Return a command agent that runs the Python source."""
    return Agent(name="scripted", argv=(str(program(folder, source)),), idle_s=idle_s, wall_s=wall_s, scripted=True)
