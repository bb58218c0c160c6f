"""The one table of what real CLIs did through Loopy."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopy.domain.agent import Tried
from loopy.settings.model import cores
from tests.agents_real.drive import Drove
from tests.agents_real.install import Installed
from tests.agents_real.journey import Arrived

MARKS = ("<!-- what make agents-real printed -->\n", "<!-- end -->")


@dataclass
class Row:
    """One CLI."""

    installed: Installed
    arrived: Arrived | None = None
    drove: dict[str, Drove] = field(default_factory=dict)
    spoke: dict[str, Drove] = field(default_factory=dict)  # over the Agent Client Protocol

    def of(self, way: str) -> dict[str, Drove]:
        return self.spoke if way == "acp" else self.drove

    @property
    def acp_good(self) -> bool:
        """Whether it was driven to an edit over the protocol, and was refused what the policy denies."""
        return all(name in self.spoke and not self.spoke[name].faults for name in ("ok", "denied"))

    @property
    def verified(self) -> bool:
        return self.arrived is not None and not self.arrived.problem

    @property
    def faults(self) -> list[str]:
        """What did not hold; that a CLI could not be installed is no fault."""
        found = [f"{name}: {fault}" for name, drove in self.drove.items() for fault in drove.faults]
        found += [f"{name} over ACP: {fault}" for name, drove in self.spoke.items() for fault in drove.faults]
        if self.arrived is not None:
            found += [f"ticket → receipt: {self.arrived.problem}"] if self.arrived.problem else []
            found += [f"still alive: {left}" for left in self.arrived.alive]
        return found


def markdown(rows: Sequence[Row], scenarios: Sequence[str], acp: Sequence[str], drill: str) -> str:
    """Return the tables with their date and machine, what was skipped, and the drill."""
    head = ["CLI", "version", "ticket → receipt", *scenarios]
    machine = f"{platform.system()} {platform.machine()}, {cores()} cores"
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}, Python {platform.python_version()}; seconds of wall time.",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
    ]
    lines += [_line(row, scenarios) for row in rows if not row.installed.problem]
    if spoke := [row for row in rows if row.spoke]:
        lines += ["", "Over the Agent Client Protocol:", "", f"| {' | '.join(['CLI', 'version', *acp])} |"]
        lines += [f"|{'---|' * (len(acp) + 2)}", *(_spoken(row, acp) for row in spoke)]
    skipped = [
        f"- {row.installed.name}: not installed: {row.installed.problem}" for row in rows if row.installed.problem
    ]
    if skipped:
        lines += ["", "Skipped:", *skipped]
    if drill:
        lines += ["", f"Failover drill: {drill}."]
    return "\n".join(lines) + "\n"


def _line(row: Row, scenarios: Sequence[str]) -> str:
    arrived = row.arrived
    way = (
        "" if arrived is None else f"{'verified' if row.verified else '✗ ' + arrived.verdict}, {arrived.seconds:.0f} s"
    )
    cells = [row.installed.name, row.installed.version, way]
    cells += [_cell(row.drove[name]) if name in row.drove else "" for name in scenarios]
    return f"| {' | '.join(cells)} |"


def _spoken(row: Row, acp: Sequence[str]) -> str:
    cells = [row.installed.name, row.installed.version]
    cells += [_cell(row.spoke[name]) if name in row.spoke else "" for name in acp]
    return f"| {' | '.join(cells)} |"


def _cell(drove: Drove) -> str:
    reset = " ⏲" if isinstance(drove.came_to, Tried) and drove.came_to.resets_at else ""
    word = "refused" if drove.scenario == "denied" and drove.refused else drove.word
    return f"{'✗ ' if drove.faults else ''}{word}{reset}, {drove.seconds:.0f} s"


def put(path: Path, page: str) -> None:
    """Put the table into a document, between its two marks."""
    text = path.read_text()
    start, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
    path.write_text(f"{text[:start]}\n{page}{text[end:]}")
