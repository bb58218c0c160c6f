"""Rule 16, the files that a receipt names: what the record says is what lies there, whatever a stale worker does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from loopy.bootstrap import packs
from loopy.domain.outcome import Packed
from loopy.domain.states import RunState, Step, Verdict
from loopy.engine.story import files_of
from tests.engine.acts import BRANCH, receipt, rob
from tests.engine.fakes import Shelf, a_change
from tests.engine.world import World


@dataclass
class OnDisk(Shelf):
    """The archive's real files, and a moment before each is written."""

    folder: Path = field(default_factory=Path)

    def put(self, run_id: str, name: str, content: bytes) -> str:
        self.before_put(name)
        return packs.keep(self.folder, name, content)

    def place(self, run_id: str, files: Mapping[str, str]) -> None:
        packs.place(self.folder, files)

    def tidy(self, run_id: str) -> None:
        packs.drop(self.folder)


def on_disk(world: World, folder: Path) -> OnDisk:
    world.shelf = shelf = OnDisk(folder=folder)
    world.limit()  # everybody gets a new desk
    return shelf


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def statement(world: World, run_id: str) -> dict[str, Any]:
    with world.graph.read() as tx:
        row = tx.receipts.of(run_id)
    assert row is not None
    said: dict[str, Any] = json.loads(row.statement)
    return said


@pytest.mark.parametrize("name", ["evidence.json", "evidence.md"])
@pytest.mark.parametrize("up_to", [Step.SHIP, None])
def test_16_a_stale_worker_cannot_put_its_evidence_in_the_place_of_what_is_recorded(
    world: World, tmp_path: Path, name: str, up_to: Step | None
) -> None:
    shelf, run = on_disk(world, tmp_path / "run"), world.start()
    world.pump_until(run.id, Step.EVIDENCE)
    world.hire("w2")

    def overtaken(written: str) -> None:
        """Stand still before this very file is written, while another packs other evidence, to the end if asked."""
        if written == name:
            shelf.before_put = lambda _name: None
            rob(world, run.id)
            world.clock.tick(5)
            world.sweep("w2").once()
            if up_to:
                world.pump_until(run.id, up_to, "w2")
            else:
                world.pump("w2")

    shelf.before_put = overtaken
    world.deliver("w1")
    with world.graph.read() as tx:
        journal = tx.runs.outcomes(run.id)
    (packed,) = (o for _, _, o in journal if isinstance(o, Packed))
    on_record = files_of(journal, 1)
    assert on_record["evidence.json"] == packed.json_sha256
    assert sha256(packs.find(shelf.folder, name, on_record[name])) == on_record[name]
    world.pump("w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    said = {e["name"]: e["digest"]["sha256"] for e in receipt(world, run.id)["evidence"]}
    assert said == {each: sha256(shelf.folder / each) for each in said}
    assert set(said) == {"evidence.json", "evidence.md", "ship.patch", "ship.bundle"}


def test_16_the_patch_and_the_bundle_are_subjects_of_the_receipt(world: World) -> None:
    run = world.start()
    world.pump()
    head, said = world.run(run.id).head, {s["name"]: s["digest"] for s in statement(world, run.id)["subject"]}
    patch, bundle = world.shelf.files[run.id, "ship.patch"], world.shelf.files[run.id, "ship.bundle"]
    assert patch == f"patch of {world.run(run.id).tree}".encode()
    assert bundle == f"bundle of {head} {BRANCH}".encode()
    assert said == {
        "commit": {"gitCommit": head},
        "tree": {"gitTree": world.run(run.id).tree},
        "ship.patch": {"sha256": hashlib.sha256(patch).hexdigest()},
        "ship.bundle": {"sha256": hashlib.sha256(bundle).hexdigest()},
    }


def test_16_a_run_that_shipped_nothing_leaves_no_patch(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    run = world.start()
    world.pump()
    assert [s["name"] for s in statement(world, run.id)["subject"]] == ["run"]
    assert {name for _, name in world.shelf.files} == {"evidence.json", "evidence.md", "receipt"}


def test_16_the_receipt_names_the_evidence_of_the_turn_that_shipped(world: World) -> None:
    world.bench.rebased = a_change(7)
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).turn) == (Verdict.PASSED, 2)
    for fact in receipt(world, run.id)["evidence"]:
        content = world.shelf.files[run.id, fact["name"]]
        assert fact["digest"]["sha256"] == hashlib.sha256(content).hexdigest()
    pack = json.loads(world.shelf.files[run.id, "evidence.json"])
    assert [turn["n"] for turn in pack["turns"]] == [1, 2]


def test_16_a_push_that_was_begun_is_bundled_as_it_was_begun(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("ship.after_push"):
        world.deliver()
    world.known["a"] = world.known["a"].model_copy(update={"scripted": True})  # another commit message by now
    world.succeed("w1", "w2")
    ((_, _, commit),) = world.forge.log
    assert (world.run(run.id).state, world.run(run.id).head) == (RunState.ENDED, commit)
    assert world.shelf.files[run.id, "ship.bundle"] == f"bundle of {commit} {BRANCH}".encode()
