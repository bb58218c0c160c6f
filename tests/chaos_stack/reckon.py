"""The reckoning, when all is quiet: what the target saw, what is on record, what the receipts say, and who still lives."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopy.cli.reader import Objects
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict
from loopy.engine.books import ReceiptRow
from loopy.engine.fsck import fsck
from loopy.process.lock import try_lock
from loopy.receipts.signers import TrustedKey, trusted_key
from loopy.receipts.verify import verify
from loopy.ship.git_remote import RECEIPTS
from tests.chaos_stack.crew import inhabitants, words_of
from tests.chaos_stack.scenery import Scene, landed
from tests.simulation.invariants import InvariantError, referee

GONE_S = 4.0  # a guard ends what its worker left within 2 s
UNSAID = "not beside the receipt"


@dataclass
class Reckoning:
    """What was found: runs that never ended, refs that were written twice, and everything else that must not be."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.lost, *self.doubled, *self.other]


def reckon(scene: Scene, filed: list[str]) -> Reckoning:
    """Judge a quiet home."""
    found = Reckoning()
    with scene.made.graph.read() as tx:
        runs: dict[str, Run] = {run.id: run for run in tx.runs.page("", 1000)}
        receipts = list(tx.receipts.since(0, 1000))
    found.lost += [f"{run_id} was filed and is not there" for run_id in filed if run_id not in runs]
    found.lost += [
        f"{r.id} never ended: {r.state} {r.wait or ''} at {r.step}"
        for r in runs.values()
        if r.state is not RunState.ENDED
    ]
    taken = landed(scene)
    found.doubled += [f"{ref} was written {len(ids)} times: {ids}" for ref, ids in taken.items() if len(ids) > 1]
    found.other += [f"rule {b.rule}: {b.subject} {b.what}" for b in fsck(scene.made.graph)]
    found.other += _effects(scene, list(runs.values()), taken)
    found.other += _receipts(scene, runs, receipts, taken)
    found.other += _slots(scene.home / "slots")
    found.other += _astray(scene)
    return found


def _effects(scene: Scene, runs: list[Run], taken: Mapping[str, list[str]]) -> Iterator[str]:
    """Compare the effects on record with what the target took."""
    known: set[str] = set()
    for run in runs:
        with scene.made.graph.read() as tx:
            effects = tx.effects.of(run.id)
        refs = {e.ref for e in effects}
        known |= refs
        try:
            referee(run, effects, [commit for ref in refs for commit in taken.get(ref, ())][:1])
        except InvariantError as error:
            yield str(error)
    for ref in taken:
        if ref.startswith("refs/heads/") and ref not in known:
            yield f"{ref} was written, and no effect says so"


def _receipts(
    scene: Scene, runs: Mapping[str, Run], rows: list[ReceiptRow], taken: Mapping[str, list[str]]
) -> Iterator[str]:
    """Verify each ended run's receipt from its files, as a stranger who has the key, the target and the one before."""
    line = (scene.made.settings.keys / "ship_ed25519.pub").read_text(encoding="utf-8")
    before: bytes | None = None
    for row in rows:
        run = runs[row.run]
        for said in _receipt(scene, run, before, trusted_key(line)):
            yield f"{run.id}: {said}"
        if run.base and f"{RECEIPTS}{run.id}" not in taken:
            yield f"{run.id}: its receipt is not in the target"
        before = row.envelope


def _receipt(scene: Scene, run: Run, before: bytes | None, key: TrustedKey) -> Iterator[str]:
    folder = scene.made.settings.runs / run.id
    if not (folder / "receipt.dsse.json").exists():
        yield f"there is no receipt in {folder}"
        return
    objects = Objects(scene.target) if run.verdict is Verdict.PASSED else None
    seen = verify(folder, signers=[key], now=datetime.now(UTC), repo=objects, previous=before)
    yield from (f"receipt: {f.name}: {f.text}" for f in seen.findings if f.ok is not True)
    yield from (f"receipt: {said}" for said in seen.not_checked if UNSAID in said)
    if seen.statement is None or seen.statement.predicate.verdict != run.verdict:
        yield "its receipt tells of another verdict"


def _slots(folder: Path) -> Iterator[str]:
    """No check slot is held, when nothing runs."""
    for lock in folder.rglob("*"):
        if lock.is_file() and try_lock(lock) is None:
            yield f"the slot {lock.name} of {lock.parent.name} is still held"


def _astray(scene: Scene) -> Iterator[str]:
    """Nobody wrote to a file of the home in the place of a server that was asked for."""
    for variable, name in (("LOOPY_DATABASE_URL", "loopy.db"), ("LOOPY_BROKER_URL", "broker.db")):
        if variable in scene.servers and (scene.home / name).exists():
            yield f"{name} is there, though {variable} names a server"


def left_over(folder: Path, allowed: frozenset[int], patience_s: float = GONE_S) -> list[str]:
    """Return the processes that still know the folder and are not allowed to, once they had time to go."""
    give_up = time.monotonic() + patience_s
    while True:
        found = [p for p in inhabitants(folder) if p.pid not in allowed]
        if not found or time.monotonic() > give_up:
            return [f"process {p.pid} lives on: {words_of(p.pid)}" for p in found]
        time.sleep(0.1)
