from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from loopy.domain.errors import WorkspaceError
from loopy.domain.ticket import RunId
from loopy.workspace.folders import wipe
from tests.workspace.support import FILES, World, commit_all, git, paths, put

NOBODY = os.geteuid() or 65534
WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_workspace_holds_the_base_and_git_works_there_without_a_remote(world: World) -> None:
    place = world.open()
    assert (place.tree / "src/app.py").read_text() == FILES["src/app.py"]
    assert git(place.tree, "status", "--short") == ""
    assert git(place.tree, "rev-parse", "HEAD") == place.base
    assert git(place.tree, "branch", "--show-current") == "loopy/LP-1.1"
    assert git(place.tree, "remote") == ""
    assert git(place.tree, "log", "--format=%s") == "first"


def test_opening_again_keeps_the_agents_work(world: World) -> None:
    put(world.open().tree, {"half.txt": "half\n"})
    assert (world.open().tree / "half.txt").exists()


def test_a_deleted_work_tree_is_made_anew(world: World) -> None:
    place = world.open()
    shutil.rmtree(place.tree)
    with pytest.raises(WorkspaceError, match="gone or was replaced"):
        world.snapshot(place)
    assert names(world.open().tree / "src") == ["app.py", "tax.py"]
    assert world.snapshot(place).empty


def test_a_work_tree_replaced_by_a_link_is_never_read(world: World, tmp_path: Path) -> None:
    place = world.open()
    elsewhere = tmp_path / "elsewhere"
    os.rename(place.tree, elsewhere)
    place.tree.symlink_to(elsewhere)
    with pytest.raises(WorkspaceError):
        world.snapshot(place)
    assert not world.open().tree.is_symlink()
    assert elsewhere.exists()


def test_a_lost_git_folder_is_renewed_and_the_files_stay(world: World) -> None:
    place = world.open()
    put(place.tree, {"work.txt": "w\n"})
    shutil.rmtree(place.tree / ".git")
    place = world.open()
    assert git(place.tree, "status", "--short") == "?? work.txt"
    assert world.snapshot(place).notes == ()


def test_another_base_makes_the_clone_anew(world: World) -> None:
    old = world.open()
    put(world.repo, {"later.txt": "x\n"})
    commit_all(world.repo, "second")
    assert not (old.tree / "later.txt").exists()
    assert (world.open().tree / "later.txt").exists()


def test_a_half_made_clone_of_a_dead_process_does_not_count_and_is_cleared(world: World) -> None:
    half = world.mirrors.folders.work / "LP-1.1" / ".new-dead"
    (half / "tree").mkdir(parents=True)
    place = world.open()
    assert (place.tree / "README.md").exists()
    assert not half.exists()


@pytest.mark.parametrize("run", ["../evil", "a/b", "", ".hidden", "-x", "a..b"])
def test_a_run_id_that_is_no_plain_name_makes_no_folder(world: World, run: str) -> None:
    base = world.mirrors.tip(world.address).commit
    with pytest.raises(WorkspaceError):
        world.clones.open(RunId(run), world.address, base)
    assert not world.mirrors.folders.work.exists()


def test_an_unknown_base_is_refused_with_a_hint(world: World) -> None:
    world.mirrors.tip(world.address)
    with pytest.raises(WorkspaceError) as caught:
        world.clones.open(RunId("LP-1.1"), world.address, "f" * 40)
    assert caught.value.hint


def test_a_checkout_holds_exactly_the_tree_and_leaves_nothing(world: World) -> None:
    place = world.open()
    put(place.tree, {"new.py": "x = 1\n", "ignored.log": "x\n"})
    change = world.snapshot(place)
    with world.clones.checkout(place, change.tree, 1) as at:
        assert names(at) == sorted([*FILES, "new.py"])
        put(at, {"litter/deep/x": "x"})
        (at / "litter/deep").chmod(0o500)
        (at / "litter").chmod(0o500)
        assert place.tree not in at.parents
    assert [p.name for p in at.parent.iterdir()] == ["tree"]


def test_checkouts_of_dead_claims_are_removed_and_those_of_newer_ones_stay(world: World) -> None:
    place = world.open()
    tree = world.snapshot(place).tree
    work = place.tree.parent
    put(work, {"check-1/stale": "x", "check-7/living": "x"})
    with world.clones.checkout(place, tree, 2):
        assert sorted(p.name for p in work.iterdir()) == ["check-2", "check-7", "tree"]


def test_equal_inputs_give_an_equal_commit_in_any_time_zone(world: World) -> None:
    place = world.open()
    put(place.tree, {"new.txt": "x\n"})
    change = world.snapshot(place)
    first = world.clones.commit(place, change, "Add new\n\nLoopy-Run: LP-1.1", WHEN)
    zone = timezone(timedelta(hours=5))
    assert world.clones.commit(place, change, "Add new\n\nLoopy-Run: LP-1.1\n", WHEN.astimezone(zone)) == first
    assert world.clones.commit(place, change, "Add new", WHEN) != first


def test_the_commit_stands_on_the_base_and_outlives_the_work_tree(world: World) -> None:
    place = world.open()
    put(place.tree, {"new.txt": "x\n"})
    change = world.snapshot(place)
    commit = world.clones.commit(place, change, "Add", WHEN)
    world.clones.remove(RunId(place.run_id))
    assert not place.tree.exists()
    assert place.folder.exists()
    mirror = world.mirrors.path(world.address)
    assert git(mirror, "rev-parse", f"{commit}^") == change.base
    assert git(mirror, "rev-parse", f"{commit}^{{tree}}") == change.tree
    assert git(mirror, "log", "-1", "--format=%an %ae %aI %cI", commit).startswith("Loopy loopy@localhost 2026-01-02")
    assert world.mirrors.read(world.address, commit, "new.txt") == b"x\n"


def test_a_commit_by_the_agent_changes_nothing_of_what_ships(world: World) -> None:
    place = world.open()
    put(place.tree, {"new.txt": "x\n"})
    before = world.snapshot(place)
    git(place.tree, "add", "-A")
    git(place.tree, "commit", "-qm", "the agent's own")
    git(place.tree, "checkout", "-q", "-b", "elsewhere")
    assert world.snapshot(place) == before


def test_a_rebase_moves_the_change_and_the_work_tree_along(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n", "build/cache": "kept\n", "new.txt": "x\n"})
    change = world.snapshot(place)
    put(world.repo, {"src/app.py": "# upstream\n", "upstream.txt": "u\n"})
    (world.repo / "infra/vars.tf").unlink()
    onto = commit_all(world.repo, "upstream")
    world.mirrors.tip(world.address)
    moved = world.clones.rebase(place, change, onto, 2)
    assert moved is not None
    assert (moved.base, moved.digest) == (onto, change.digest)
    assert world.clones.rebase(place, change, onto, 2) == moved
    place = world.open(base=onto)
    assert (place.tree / "upstream.txt").exists()
    assert not (place.tree / "infra/vars.tf").exists()
    assert (place.tree / "build/cache").exists()
    assert git(place.tree, "status", "--short").split() == ["M", "src/tax.py", "??", "new.txt"]
    assert world.snapshot(place, 3) == moved


def test_a_conflicting_rebase_says_none_and_changes_nothing(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n"})
    change = world.snapshot(place)
    put(world.repo, {"src/tax.py": "RATE = 0.4\n"})
    onto = commit_all(world.repo, "upstream")
    world.mirrors.tip(world.address)
    assert world.clones.rebase(place, change, onto, 2) is None
    assert world.snapshot(world.open(base=place.base)) == change


def test_a_rebase_onto_a_rewritten_history_works(world: World) -> None:
    place = world.open()
    put(place.tree, {"new.txt": "x\n"})
    change = world.snapshot(place)
    git(world.repo, "checkout", "-q", "--orphan", "fresh")
    put(world.repo, {"other.txt": "o\n"})
    onto = commit_all(world.repo, "rewritten")
    assert world.mirrors.tip(world.address).commit == onto
    moved = world.clones.rebase(place, change, onto, 2)
    assert moved is not None
    assert paths(moved) == ["new.txt"]


def test_a_git_without_merge_tree_still_merges_what_only_one_side_changed(world: World) -> None:
    from loopy.workspace.rebase import whole_file_merge
    from loopy.workspace.snapshot import Lab

    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n"})
    change = world.snapshot(place)
    put(world.repo, {"up.txt": "u\n"})
    clean = commit_all(world.repo, "clean")
    put(world.repo, {"src/tax.py": "RATE = 0.4\n"})
    conflicting = commit_all(world.repo, "conflicting")
    world.mirrors.tip(world.address)
    lab = Lab(world.clones.git, place.folder / "git", world.clones.limits)
    merged = whole_file_merge(lab, change.base, clean, change.tree)
    moved = world.clones.rebase(place, change, clean, 2)
    assert moved is not None
    assert merged == moved.tree
    assert whole_file_merge(lab, change.base, conflicting, change.tree) is None


def test_a_diff_is_cut_at_its_limit_and_the_patch_applies(world: World, tmp_path: Path) -> None:
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n", "big.txt": "line\n" * 1000})
    (place.tree / "image.png").write_bytes(bytes(range(256)))
    (place.tree / "README.md").unlink()
    change = world.snapshot(place)
    assert "+RATE = 0.3" in world.clones.diff(place, change)
    cut = world.clones.diff(place, change, limit=100)
    assert len(cut) < 200
    assert "cut after 100 bytes" in cut
    (tmp_path / "ship.patch").write_bytes(world.clones.patch(place, change))
    git(world.repo, "apply", "--index", str(tmp_path / "ship.patch"))
    assert git(world.repo, "write-tree") == change.tree


def test_removing_twice_is_harmless(world: World) -> None:
    world.open()
    world.clones.remove(RunId("LP-1.1"))
    world.clones.remove(RunId("LP-1.1"))
    assert not (world.mirrors.folders.work / "LP-1.1").exists()


def test_folders_that_their_owner_closed_are_deleted_too() -> None:
    at = Path(tempfile.mkdtemp())  # not below pytest's folder, which is closed to other users
    put(at, {"work/a/b/c.txt": "x", "work/a/d.txt": "x"})
    outside = at / "outside"
    outside.mkdir(mode=0o500)
    (at / "work/a/link").symlink_to(outside)
    for closed in ("work/a/b", "work/a", "work"):
        (at / closed).chmod(0o000 if closed.endswith("b") else 0o500)
    for path in (at, *at.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    child = os.fork()
    if child == 0:  # root may delete everything, so another user must try
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os._exit(0 if wipe(at / "work") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in at.iterdir()] == ["outside"]
    assert outside.stat().st_mode & 0o777 == 0o500
    shutil.rmtree(at)
