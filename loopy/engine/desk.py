"""Everything a worker has on its desk: the graph and the ports, put together once by the composition root."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from loopy.domain.run import Run
from loopy.domain.statement import SignedReceipt, Statement
from loopy.engine.admission import Admission
from loopy.engine.graph import Graph
from loopy.engine.order import LEASE_S
from loopy.ports import (
    Checker,
    Clock,
    Doorbell,
    Driver,
    Fleet,
    Planner,
    Policies,
    Remote,
    Repositories,
    Sandbox,
    Workspaces,
)


class Guards(Protocol):
    """The run's kernel lock as a claimant uses it (rule 9)."""

    def clear(self, run_id: str, token: int) -> None:
        """Kill groups with a lower token until the lock can be had. Raises LostError for a higher token there."""
        ...


class Alive(Protocol):
    """The kernel locks of worker processes (rule 7)."""

    def dead(self, worker: str) -> bool:
        """Whether the worker's lock is free."""
        ...

    def bury(self, worker: str) -> None:
        """Remove the dead worker's file; its row is closed already."""
        ...


class Archive(Protocol):
    """The run's folder, where evidence and receipt stay.

    Evidence is kept under its digest, so that a worker that lost its claim can change nothing of what another recorded.
    """

    def put(self, run_id: str, name: str, content: bytes) -> str:
        """Keep a file under its digest, which is returned; it survives a power cut."""
        ...

    def place(self, run_id: str, files: Mapping[str, str]) -> None:
        """Give the kept files (name → sha256) their plain names; only for an ended run, whose record is final."""
        ...

    def put_receipt(self, run_id: str, signed: SignedReceipt) -> None:
        """Write the receipt's files."""
        ...

    def tidy(self, run_id: str) -> None:
        """Remove what only the run itself needed: its agents' scratch homes and sessions."""
        ...


class Notary(Protocol):
    """Signs statements; no input or output, so it may run inside a transaction."""

    def sign(self, statement: Statement) -> SignedReceipt:
        """Return the signed receipt."""
        ...


class Targets(Protocol):
    """Where a run ships to."""

    def target(self, run: Run) -> tuple[str, str]:
        """Return (URL or path, branch prefix); an empty URL means that nothing is pushed."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The frozen services of one process."""

    graph: Graph
    clock: Clock
    doorbell: Doorbell
    admission: Admission
    repositories: Repositories
    workspaces: Workspaces
    driver: Driver
    checker: Checker
    planner: Planner
    policies: Policies
    fleet: Fleet
    sandbox: Sandbox
    remote: Remote
    targets: Targets
    guards: Guards
    alive: Alive
    archive: Archive
    notary: Notary
    push_receipt: Callable[[Run], bool]  # whether the receipt's ref is where it belongs
    install_id: str
    version: str
    worker: str
    host: str
    settle_s: Callable[[str], float]  # target → how long a sent call may still land and be listed (rule 15)
    lease_s: float = LEASE_S  # how long a silent worker keeps its runs
    pause: Callable[[float], None] = time.sleep  # between two looks at a target
