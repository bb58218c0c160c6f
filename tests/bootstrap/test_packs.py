"""Evidence on disk: under its digest while a run goes on, under its plain name when it has ended."""

from __future__ import annotations

import hashlib
from pathlib import Path

from loopy.bootstrap import packs


def test_a_file_is_found_by_what_is_recorded_whoever_writes_another_of_its_name(tmp_path: Path) -> None:
    recorded = packs.keep(tmp_path, "evidence.json", b"recorded")
    packs.keep(tmp_path, "evidence.json", b"of a stale worker")
    assert recorded == hashlib.sha256(b"recorded").hexdigest()
    assert packs.find(tmp_path, "evidence.json", recorded).read_bytes() == b"recorded"
    packs.place(tmp_path, {"evidence.json": recorded})
    packs.keep(tmp_path, "evidence.json", b"of a very stale worker")
    assert (tmp_path / "evidence.json").read_bytes() == b"recorded"


def test_placing_again_changes_nothing_and_leaves_nothing_behind(tmp_path: Path) -> None:
    files = {name: packs.keep(tmp_path, name, name.encode()) for name in ("evidence.json", "ship.patch")}
    for _ in range(2):
        packs.place(tmp_path, files)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evidence.json", packs.KEPT, "ship.patch"]
    packs.drop(tmp_path)
    packs.place(tmp_path, files)  # published twice: the second one finds nothing to place
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evidence.json", "ship.patch"]
    assert packs.find(tmp_path, "ship.patch", files["ship.patch"]).read_bytes() == b"ship.patch"


def test_a_pack_of_a_run_that_an_older_loopy_packed_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "evidence.md").write_text("old")
    assert packs.find(tmp_path, "evidence.md", "0" * 64) == tmp_path / "evidence.md"
    assert packs.find(tmp_path, "evidence.md", "") == tmp_path / "evidence.md"
