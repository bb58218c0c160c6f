from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from loopy.workspace.prescan import Limits
from tests.workspace.support import World, git, make_world, paths, put


def test_an_untouched_tree_is_an_empty_change(world: World) -> None:
    change = world.snapshot(world.open())
    assert change.empty
    assert change.notes == ()
    assert change.tree == git(world.repo, "rev-parse", "HEAD^{tree}")


def test_every_kind_of_change_is_an_entry_with_counts_and_sizes(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/app.py": "a\nb\nc\n", "ä b\tc\n.txt": "one\ntwo\n"})
    (place.tree / "README.md").unlink()
    (place.tree / "bin").write_bytes(b"\0\1\2")
    (place.tree / "link").symlink_to("src/app.py")
    (place.tree / "infra/main.tf").chmod(0o755)
    found = {entry.path: entry for entry in world.snapshot(place).entries}
    assert {path: e.status for path, e in found.items()} == {
        "src/app.py": "M", "README.md": "D", "bin": "A", "link": "A", "infra/main.tf": "M",
    }  # fmt: skip  # a name with a control character is left out, and noted
    assert (found["src/app.py"].added, found["src/app.py"].deleted, found["src/app.py"].size_bytes) == (3, 2, 6)
    assert found["bin"].binary
    assert found["link"].link_target == "src/app.py"
    assert (found["infra/main.tf"].old_mode, found["infra/main.tf"].new_mode) == ("100644", "100755")


def test_the_digest_is_what_a_stranger_computes(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/app.py": "x\n", "n.txt": "n\n"})
    change = world.snapshot(place)
    argv = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", change.base, change.tree]
    raw = subprocess.run(["git", *argv], cwd=place.folder / "git", capture_output=True, check=True).stdout
    assert hashlib.sha256(raw).hexdigest() == change.digest


def test_a_snapshot_stays_what_it_was_when_the_tree_is_written_to_afterwards(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n"})
    change = world.snapshot(place)
    put(place.tree, {"src/tax.py": "EVIL = 1\n", "late.txt": "late\n"})
    with world.clones.checkout(place, change.tree, 1) as at:
        assert (at / "src/tax.py").read_text() == "RATE = 0.3\n"
        assert not (at / "late.txt").exists()
    assert world.snapshot(place).tree != change.tree


def test_equal_trees_give_equal_changes_whatever_the_token(world: World) -> None:
    place = world.open()
    put(place.tree, {"a.txt": "a\n"})
    assert world.snapshot(place, 1) == world.snapshot(place, 99)


def test_an_edit_of_equal_size_and_time_is_seen(world: World) -> None:
    place = world.open()
    file = place.tree / "src/tax.py"
    world.snapshot(place)
    before = file.stat()
    file.write_text("RATE = 0.9\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert paths(world.snapshot(place)) == ["src/tax.py"]


def test_gitignore_of_the_tree_counts_and_tracked_files_are_never_hidden_by_it(world: World) -> None:
    place = world.open()
    put(
        place.tree,
        {"x.log": "x\n", "build/out": "x\n", "keep.txt": "k\n", "src/.gitignore": "*.tmp\n", "src/a.tmp": "t\n"},
    )
    put(place.tree, {".gitignore": "*.log\nbuild/\ninfra/\n", "infra/main.tf": "changed\n"})
    assert paths(world.snapshot(place)) == [".gitignore", "infra/main.tf", "keep.txt", "src/.gitignore"]


def test_bytes_are_taken_raw_whatever_gitattributes_says(world: World) -> None:
    place = world.open()
    put(place.tree, {".gitattributes": "* text=auto eol=crlf ident working-tree-encoding=UTF-16\n*.py binary\n"})
    (place.tree / "dos.txt").write_bytes(b"a\r\n$Id$\r\n")
    put(place.tree, {"src/app.py": "x\n"})
    change = world.snapshot(place)
    with world.clones.checkout(place, change.tree, 1) as at:
        assert (at / "dos.txt").read_bytes() == b"a\r\n$Id$\r\n"
    assert [e.binary for e in change.entries if e.path == "src/app.py"] == [False]
    assert "+x" in world.clones.diff(place, change)


def test_folders_files_and_links_may_take_each_others_place(world: World) -> None:
    place = world.open()
    for name in ("main.tf", "vars.tf"):
        (place.tree / "infra" / name).unlink()
    (place.tree / "infra").rmdir()
    put(place.tree, {"infra": "now a file\n"})
    (place.tree / "README.md").unlink()
    put(place.tree, {"README.md/inner.txt": "now a folder\n"})
    (place.tree / "src/tax.py").unlink()
    (place.tree / "src/tax.py").symlink_to("app.py")
    found = {e.path: (e.status, e.new_mode) for e in world.snapshot(place).entries}
    assert found == {
        "README.md": ("D", "000000"),
        "README.md/inner.txt": ("A", "100644"),
        "infra": ("A", "100644"),
        "infra/main.tf": ("D", "000000"),
        "infra/vars.tf": ("D", "000000"),
        "src/tax.py": ("T", "120000"),
    }


def test_a_submodule_of_the_base_is_left_as_it_is(world: World, tmp_path: Path) -> None:
    git(world.repo, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},vendor/lib")
    git(world.repo, "commit", "-qm", "submodule")
    place = world.open()
    assert world.snapshot(place).empty
    (place.tree / "vendor/lib").rmdir()
    assert world.snapshot(place).empty
    git(tmp_path, "init", "-q", str(place.tree / "vendor/lib"))
    assert world.snapshot(place).notes == ("embedded-git: vendor/lib",)


def test_a_large_file_of_the_base_is_no_fault_and_a_grown_one_is(tmp_path: Path) -> None:
    world = make_world(tmp_path, Limits(file_bytes=1000))
    put(world.repo, {"large.bin": "x" * 5000})
    git(world.repo, "add", ".")
    git(world.repo, "commit", "-qm", "large")
    place = world.open()
    assert world.snapshot(place).notes == ()
    put(place.tree, {"large.bin": "y" * 4000})
    assert paths(world.snapshot(place)) == ["large.bin"]
    put(place.tree, {"large.bin": "y" * 6000, "new.bin": "z" * 1001})
    assert world.snapshot(place).notes == ("too-large: large.bin (6,000 bytes)", "too-large: new.bin (1,001 bytes)")


def test_more_new_files_or_bytes_than_the_limit_are_left_out_and_noted(tmp_path: Path) -> None:
    world = make_world(tmp_path, Limits(new_files=5, total_bytes=100))
    place = world.open()
    put(place.tree, {f"n{n}.txt": "x\n" for n in range(9)})
    change = world.snapshot(place)
    assert len(change.entries) == 5
    assert change.notes == ("too-many-files: . (9 new files of 18 bytes together)",)
    for n in range(9):
        (place.tree / f"n{n}.txt").unlink()
    put(place.tree, {"a.txt": "x" * 90, "b.txt": "x" * 90})
    assert paths(world.snapshot(place)) == ["a.txt"]


def test_a_pipe_in_an_ignored_folder_and_an_ignored_repository_are_nobodys_concern(world: World) -> None:
    place = world.open()
    (place.tree / "build").mkdir()
    os.mkfifo(place.tree / "build/pipe")
    git(place.tree, "init", "-q", "build/nested")
    assert world.snapshot(place).notes == ()


def test_a_moved_secret_is_not_an_added_one(world: World) -> None:
    line = "key = 'ghp_" + "a1B2" * 10 + "'\n"
    put(world.repo, {"src/old.py": line})
    git(world.repo, "add", ".")
    git(world.repo, "commit", "-qm", "an old sin")
    place = world.open()
    os.rename(place.tree / "src/old.py", place.tree / "src/new.py")
    assert world.snapshot(place).notes == ()
    put(place.tree, {"src/third.py": "x\n" + line.replace("a1", "c3")})
    assert world.snapshot(place).notes == ("secret: src/third.py (line 2, GitHub token)",)


def test_text_too_large_to_scan_is_noted(tmp_path: Path) -> None:
    world = make_world(tmp_path, Limits(scanned_bytes=10))
    place = world.open()
    put(place.tree, {"a.txt": "x\n" * 20})
    assert world.snapshot(place).notes == ("unscanned: a.txt (40 bytes)",)


def test_a_file_without_read_permission_is_left_out_and_noted(world: World) -> None:
    place = world.open()
    put(place.tree, {"closed.txt": "x\n"})
    (place.tree / "closed.txt").chmod(0o000)
    assert world.snapshot(place).notes == ("unreadable: closed.txt",)


def test_a_killed_snapshots_index_and_its_lock_do_not_stop_the_next(world: World) -> None:
    place = world.open()
    put(place.folder / "git", {"index-snapshot-1": "torn", "index-snapshot-1.lock": ""})
    assert world.snapshot(place, 1).empty
    assert [p.name for p in (place.folder / "git").iterdir() if p.name.startswith("index")] == []


def test_an_entry_never_names_bytes_that_are_not_utf8_as_something_else(world: World) -> None:
    place = world.open()
    with open(os.fsencode(place.tree) + b"/\xff.txt", "w") as file:
        file.write("x")
    change = world.snapshot(place)
    assert change.entries == ()
    assert change.notes == (r"bad-name: \xff.txt (holds a backslash or bytes that are not UTF-8)",)
