"""No more check steps at once on this host than its cores can bear (`[limits] checks`); the others wait for a slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loopy.checks.stopping import stopped
from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport, CheckSpec
from loopy.domain.events import StreamEvent
from loopy.ports import Checker, Leash, Workspace
from loopy.process.slots import Slots


@dataclass(frozen=True, slots=True)
class SlottedChecker:
    """The `Checker` port over another one: the same report, made while a slot is held."""

    checker: Checker
    slots: Slots

    def run(
        self,
        specs: Sequence[CheckSpec],
        setup: Sequence[Sequence[str]],
        tree: str,
        at: Path,
        place: Workspace,
        leash: Leash,
    ) -> CheckReport | Tried:
        """Wait for a slot, visibly, with the claim kept alive; then run set-up and checks. See `CommandChecker.run`."""

        def say() -> None:
            leash.emit(StreamEvent("step.progress", f"waits for a check slot ({self.slots.many} on this host)"))

        with self.slots.one(leash.stopping, say) as why:
            if why is not None:
                return stopped(leash.run_id, why)
            return self.checker.run(specs, setup, tree, at, place, leash)
