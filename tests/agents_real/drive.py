"""One turn of a real CLI by Loopy's own headless driver, against the scripted model; what it said is kept for the recorder."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopy.agents.attempt import Attempt
from loopy.agents.environment import Operator
from loopy.agents.launch import Launch
from loopy.agents.print_driver import PrintDriver
from loopy.agents.turns import Turn
from loopy.domain.agent import Tried, Turned
from loopy.ports import Brief
from loopy.process.command import Exit
from loopy.process.hunt import scan, slurp
from loopy.sandbox.none import NoSandbox
from tests.agents.support import CATALOG, PaperLeash, place_in
from tests.agents_real.fleet import FLEET

BROKEN = "def add(a, b):\n    return a - b\n"
UNKNOWN = {"opencode": "ses_0000000000000000000000", "kimi": "session_00000000-0000-4000-8000-000000000000"}
IDLE_S, WALL_S = 25, 75  # by default silence is borne for five minutes
LINGER_S = 2.0


class RealClock:
    """The clocks of this machine."""

    def now(self) -> Any:
        from datetime import UTC, datetime

        return datetime.now(UTC)

    def awake(self) -> float:
        return time.monotonic()


class Taped(PrintDriver):
    """The driver as it is, with a tape of what the last process wrote and how it ended."""

    def __init__(self, path: str, env: dict[str, str], home: Path) -> None:
        super().__init__(CATALOG, Operator({"PATH": path, **env}, home), NoSandbox(), RealClock())
        self.out, self.err = bytearray(), bytearray()
        self.ended: Exit | None = None

    def _run(self, on: Turn, launch: Launch, attempt: Attempt) -> Exit:
        self.out, self.err = bytearray(), bytearray()
        passed_on = attempt.output

        def output(stream: Any, chunk: bytes) -> None:
            (self.out if stream == "stdout" else self.err).extend(chunk)
            passed_on(stream, chunk)

        attempt.output = output  # type: ignore[method-assign]
        self.ended = super()._run(on, launch, attempt)
        return self.ended


@dataclass
class Drove:
    """What one turn came to."""

    cli: str
    scenario: str
    came_to: Turned | Tried
    seconds: float
    out: bytes
    err: bytes
    ended: Exit | None
    asked: int = 0  # calls of the model
    events: list[Any] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)
    folder: Path = Path()
    session: str = ""  # the one to resume
    mended: bool = False  # the edit is in the tree
    anew: bool = False  # the CLI did not know the session

    @property
    def word(self) -> str:
        """The failure's class, or `turned`."""
        return str(self.came_to.failure) if isinstance(self.came_to, Tried) else "turned"


def drive(cli: str, scenario: str, url: Callable[[str], str], path: str, folder: Path) -> Drove:
    """Play a scenario with the CLI in this folder; `url` gives the model's address for a scenario of the model's."""
    if scenario == "resume":  # by the session of a turn before
        first = turn(cli, "ok", url("ok"), path, folder, 1)
        return turn(cli, scenario, url("chat"), path, folder, 2, first.came_to.session_id)
    if scenario == "unknown":  # a session that is nobody's
        return turn(cli, scenario, url("chat"), path, folder, 1, UNKNOWN.get(cli, str(uuid.uuid4())))
    return turn(cli, scenario, url(scenario), path, folder, 1)


def turn(cli: str, scenario: str, base: str, path: str, folder: Path, number: int, session: str = "") -> Drove:
    """Let the CLI do one turn, with an operator's home of its own."""
    setup, home = FLEET[cli](base), folder / "operator"
    home.mkdir(parents=True, exist_ok=True)
    setup.settle(home)
    where, leash = place_in(folder), PaperLeash(number)
    if number == 1:
        (where.tree / "app.py").write_text(BROKEN)
        subprocess.run(["git", "init", "-q", str(where.tree)], check=True)
    driver = Taped(path, dict(setup.env), home)
    agent = setup.made("a", cli, idle_s=IDLE_S, wall_s=WALL_S)
    prompt = f"Fix add() in app.py and write NOTES.md. [[cwd={where.tree}]]"
    began = time.monotonic()
    came_to = driver.turn(agent, Brief(prompt, number, session), where, leash)
    took = time.monotonic() - began
    return Drove(
        cli=cli, scenario=scenario, came_to=came_to, seconds=took, out=bytes(driver.out), err=bytes(driver.err),
        ended=driver.ended, events=leash.events, alive=list(still_alive(folder)), folder=folder, session=session,
        mended=(where.tree / "app.py").read_text() != BROKEN, anew="starts anew" in str(leash.texts("step.progress")),
    )  # fmt: skip


def still_alive(folder: Path) -> Iterator[str]:
    """Yield the processes whose environment or command line speaks of this folder: the agent's scratch home lies in it."""
    give_up = time.monotonic() + LINGER_S
    while True:
        mark = os.fsencode(str(folder))
        found = [
            f"{proc.pid} {slurp(f'/proc/{proc.pid}/cmdline')[:120]!r}"
            for proc in scan(set())
            if proc.pid != os.getpid()
            and (mark in slurp(f"/proc/{proc.pid}/environ") or mark in slurp(f"/proc/{proc.pid}/cmdline"))
        ]
        if not found or time.monotonic() > give_up:
            yield from found
            return
        time.sleep(0.1)
