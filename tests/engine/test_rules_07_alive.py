"""Rule 7's kernel lock of a worker process, on real files and real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loopy.process import alive

HOLDER = """
import sys, pathlib
from loopy.process import alive
held = alive.hold(pathlib.Path(sys.argv[1]), "w")
print("held", flush=True)
sys.stdin.read()
"""


def test_7_a_lock_is_held_from_the_moment_that_its_name_can_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], bool]] = []
    rename = os.rename

    def named(old: Path, new: Path) -> None:
        rename(old, new)  # now everybody can see it
        seen.append((os.listdir(tmp_path), alive.is_dead(tmp_path, new.name)))

    monkeypatch.setattr(os, "rename", named)
    held = alive.hold(tmp_path, "w")
    assert seen == [(["w"], False)]
    held.release()


def test_7_a_lock_is_free_the_moment_its_process_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert not alive.is_dead(tmp_path, "w")
    alive.bury(tmp_path, "w")  # of a living one nothing is removed
    assert (tmp_path / "w").exists()
    holder.kill()
    holder.wait()
    assert alive.is_dead(tmp_path, "w")
    alive.bury(tmp_path, "w")
    assert not (tmp_path / "w").exists()
    assert alive.is_dead(tmp_path, "w")
    for stream in (holder.stdin, holder.stdout):
        assert stream is not None
        stream.close()


def test_7_a_lock_is_not_inherited_by_a_program_that_is_started_meanwhile(tmp_path: Path) -> None:
    held = alive.hold(tmp_path, "w")
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    os.close(held.fd)  # as at the end of the process, but for the child
    assert alive.is_dead(tmp_path, "w")
    child.communicate()


def test_7_a_released_lock_leaves_no_file(tmp_path: Path) -> None:
    alive.hold(tmp_path, "w").release()
    assert os.listdir(tmp_path) == []
    assert alive.is_dead(tmp_path, "w")
