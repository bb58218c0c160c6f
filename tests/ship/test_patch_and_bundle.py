"""The patch and the bundle that a receipt names bring, by git alone, the very tree and the very commit that shipped."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.domain.change import Change
from loopy.ports import Workspace
from tests.workspace.support import World, commit_all, git, make_world, put

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
REF = "refs/heads/loopy/lp-1.1-fix-it"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def changed(world: World) -> tuple[Workspace, Change]:
    """A change of every kind: edited, added, binary, executable, linked, deleted, and without a last newline."""
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3", "docs/Übersicht mit Leerzeichen.md": "neu\n", "run.sh": "#!/bin/sh\n"})
    (place.tree / "run.sh").chmod(0o755)
    (place.tree / "image.png").write_bytes(bytes(range(256)) * 8)
    (place.tree / "link").symlink_to("src/app.py")
    (place.tree / "README.md").unlink()
    return place, world.snapshot(place)


def stranger(world: World, base: str) -> Path:
    """A clone of the operator's repository that stands on the base and knows nothing of Loopy."""
    at = world.root / "stranger"
    git(world.root, "clone", "-q", str(world.repo), str(at))
    git(at, "checkout", "-q", base)
    return at


def test_the_patch_applied_to_the_base_gives_the_tree_of_the_receipt(world: World) -> None:
    place, change = changed(world)
    at, file = stranger(world, place.base), world.root / "ship.patch"
    file.write_bytes(world.clones.patch(place, change))
    git(at, "apply", "--index", str(file))
    assert git(at, "write-tree") == change.tree


def test_the_bundle_fetched_into_a_clone_of_the_base_gives_the_commit_of_the_receipt(world: World) -> None:
    place, change = changed(world)
    commit = world.clones.commit(place, change, "Fix it", WHEN)
    at, file = stranger(world, place.base), world.root / "ship.bundle"
    file.write_bytes(world.clones.bundle(place, commit, REF))
    git(at, "bundle", "verify", "-q", str(file))
    git(at, "fetch", "-q", str(file), f"{REF}:{REF}")
    assert git(at, "rev-parse", REF) == commit
    assert git(at, "rev-parse", f"{REF}^{{tree}}") == change.tree
    assert git(at, "rev-parse", f"{REF}^") == place.base
    assert git(at, "fsck", "--strict") == ""


def test_the_same_commit_is_bundled_in_the_same_bytes(world: World) -> None:
    place, change = changed(world)
    commit = world.clones.commit(place, change, "Fix it", WHEN)
    first, again = (hashlib.sha256(world.clones.bundle(place, commit, REF)).hexdigest() for _ in range(2))
    assert first == again


def test_the_bundle_needs_the_base_and_brings_nothing_else(world: World) -> None:
    place, change = changed(world)
    commit = world.clones.commit(place, change, "Fix it", WHEN)
    made = world.clones.bundle(place, commit, REF)
    head = made[: made.index(b"\n\n")].decode().splitlines()
    assert [line.split()[0] for line in head if line.startswith("-")] == [f"-{place.base}"]
    assert [line for line in head if line[0] not in "#-@"] == [f"{commit} {REF}"]


def test_a_commit_that_was_begun_earlier_is_bundled_as_it_was(world: World) -> None:
    place, change = changed(world)
    begun = world.clones.commit(place, change, "Fix it", WHEN)
    other = world.clones.commit(place, change, "Fix it otherwise", WHEN)
    world.clones.bundle(place, other, REF)
    put(world.repo, {"later.txt": "later\n"})
    commit_all(world.repo, "later")
    at, file = stranger(world, place.base), world.root / "ship.bundle"
    file.write_bytes(world.clones.bundle(place, begun, REF))
    git(at, "fetch", "-q", str(file), f"{REF}:{REF}")
    assert git(at, "rev-parse", REF) == begun
