"""The small adapters that only join two others: kernel locks to the engine, the run's folder, where a run ships to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loopy.bootstrap import packs
from loopy.domain.project import ORIGIN, ships_to
from loopy.domain.repository import parse
from loopy.domain.run import Run
from loopy.domain.statement import SignedReceipt
from loopy.engine.effects import CALL_S
from loopy.engine.graph import Graph
from loopy.engine.policies import MergedPolicies
from loopy.process import alive
from loopy.process.command import Marker
from loopy.process.groups import take_over
from loopy.receipts import bundle
from loopy.settings.model import Settings
from loopy.ship.git_remote import GitRemote
from loopy.workspace.clones import Clones
from loopy.workspace.folders import Folders, make, wipe


@dataclass(frozen=True)
class KernelGuards:
    """`engine.desk.Guards` on the run's lock file."""

    folders: Folders

    def clear(self, run_id: str, token: int) -> None:
        """Kill groups with a lower token until the run's lock can be had."""
        take_over(make(self.folders.of_run(run_id)) / "run.lock", Marker(run_id, token))


@dataclass(frozen=True)
class KernelAlive:
    """`engine.desk.Alive` on the home's `alive/`."""

    folder: Path

    def dead(self, worker: str) -> bool:
        """Whether the worker's lock is free."""
        return alive.is_dead(self.folder, worker)

    def bury(self, worker: str) -> None:
        """Remove a dead worker's file."""
        alive.bury(self.folder, worker)


@dataclass(frozen=True)
class FileArchive:
    """`engine.desk.Archive` on the run's folder."""

    folders: Folders
    public_line: str

    def put(self, run_id: str, name: str, content: bytes) -> str:
        """Keep a file under its digest, which is returned; it survives a power cut."""
        return packs.keep(make(self.folders.of_run(run_id)), name, content)

    def place(self, run_id: str, files: Mapping[str, str]) -> None:
        """Give the kept files (name → sha256) their plain names."""
        packs.place(make(self.folders.of_run(run_id)), files)

    def put_receipt(self, run_id: str, signed: SignedReceipt) -> None:
        """Write the receipt's four files."""
        bundle.write(make(self.folders.of_run(run_id)), signed, self.public_line)

    def tidy(self, run_id: str) -> None:
        """Remove the agents' scratch homes, for no session outlives its run, and the second names of the evidence."""
        wipe(self.folders.of_run(run_id) / "agent")
        packs.drop(self.folders.of_run(run_id))


@dataclass(frozen=True)
class ShipTargets:
    """`engine.desk.Targets` from the operator's word and the repository's."""

    settings: Settings
    policies: MergedPolicies

    def target(self, run: Run) -> tuple[str, str]:
        """Return (URL or path, branch prefix); a local repository keeps its branch unless the operator says `origin`."""
        operator = self.settings.ship_for(run.repo)
        ship = ships_to(operator, self.policies.project(run.repo, run.base).ship)
        if ship.target not in (ORIGIN, "local"):
            return ship.target, ship.prefix
        said_origin = ship.target == ORIGIN and "target" in operator.model_fields_set
        origin = self.policies.repositories.origin(run.repo) if said_origin and parse(run.repo).local else ""
        return origin or run.repo, ship.prefix


@dataclass(frozen=True)
class EndedLeash:
    """The right to publish an ended run's receipt: nobody else acts for it any more, and nothing stops it."""

    run_id: str
    token: int

    def authorised(self) -> bool:
        """Whether it may act: always."""
        return True

    def stopping(self) -> str | None:
        """Why to stop: never."""
        return None

    def emit(self, *_events: object) -> None:
        """Say nothing: the run's stream is closed."""


@dataclass(frozen=True)
class ReceiptPusher:
    """Pushes a receipt to `refs/loopy/receipts/<run>` of the place where the run ships to."""

    graph: Graph
    workspaces: Clones
    remote: GitRemote
    targets: ShipTargets
    archive: FileArchive

    def __call__(self, run: Run) -> bool:
        """Return whether the receipt is where it belongs, or has nowhere to go."""
        if not run.base:
            return True  # it never came to a repository
        with self.graph.read() as tx:
            row = tx.receipts.of(run.id)
        if row is None:
            return False
        place = self.workspaces.open(run.id, run.repo, run.base)
        files = {
            bundle.ENVELOPE: row.envelope,
            bundle.STATEMENT: row.statement,
            bundle.SSHSIG: row.sshsig,
            bundle.SIGNER: f"{self.archive.public_line}\n".encode(),
        }
        target, _ = self.targets.target(run)
        leash = EndedLeash(run.id, run.token)
        return not self.remote.push_receipt(files, target, place, leash, row.at, CALL_S)
