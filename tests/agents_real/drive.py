"""One scenario of a real CLI, as `loopy agents test` plays it; what the process said is kept for the recorder."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loopy.agents.acp_driver import AcpDriver
from loopy.agents.attempt import Attempt
from loopy.agents.environment import Operator
from loopy.agents.launch import Launch
from loopy.agents.print_driver import PrintDriver
from loopy.agents.scripted.play import Stage
from loopy.agents.scripted.scenarios import Played, faults
from loopy.agents.scripted.server import ModelServer
from loopy.agents.scripted.setup import Drive
from loopy.agents.turns import Turn, TurnDriver
from loopy.bootstrap.services import SystemClock
from loopy.process.command import Exit
from loopy.sandbox.none import NoSandbox
from tests.agents.support import CATALOG


class Taped(TurnDriver):
    """A driver as it is, with a tape of what the last process wrote and how it ended."""

    def __init__(self, operator: Operator) -> None:
        super().__init__(CATALOG, operator, NoSandbox(), SystemClock())
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


class TapedPrint(Taped, PrintDriver):
    """Headless."""


class TapedAcp(Taped, AcpDriver):
    """Over the Agent Client Protocol."""


@dataclass(kw_only=True)
class Drove(Played):
    """What one scenario came to, with the tape."""

    out: bytes = b""
    err: bytes = b""
    ended: Exit | None = None
    folder: Path = Path()
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def faults(self) -> list[str]:
        return faults(CATALOG[self.cli], self)


def drive(cli: str, way: Drive, scenario: str, model: ModelServer, path: str, folder: Path) -> Drove:
    """Play a scenario with the CLI in this folder."""
    tapes: list[Taped] = []

    def driver(operator: Operator) -> Taped:
        tapes.append(TapedAcp(operator) if way == "acp" else TapedPrint(operator))
        return tapes[-1]

    began = datetime.now(UTC)
    played = Stage(CATALOG[cli], way, path, model, driver).play(scenario, folder)
    told = {one.name: getattr(played, one.name) for one in fields(played)}
    tape = tapes[-1]
    return Drove(**told, out=bytes(tape.out), err=bytes(tape.err), ended=tape.ended, folder=folder, began=began)
