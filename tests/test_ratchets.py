"""The ratchets can fail."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "ratchets.py"
RATCHETS: dict[str, Any] = runpy.run_path(str(TOOL))
DOC = '"""Say what this is for."""\n'


def found(root: Path, exceptions: dict[str, str] | None = None) -> list[str]:
    return [str(violation) for violation in RATCHETS["violations"](root, exceptions or {})]


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def function(lines: int) -> str:
    return DOC + "def long() -> None:\n" + "    print()\n" * (lines - 1)


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("loopy/a.py", DOC + "x = 1\n" * 300, "301 lines"),
        ("loopy/a.py", function(41), "loopy/a.py::long: 41 lines"),
        ("tests/test_a.py", function(41), "41 lines"),
        ("workers/a.py", "x = 1\n", "no module docstring"),
        ("loopy/a/__init__.py", "", "no module docstring"),
        ("beat_schedule.py", "x = 1\n", "no module docstring"),
    ],
)
def test_what_is_too_large_or_undocumented_is_found(tmp_path: Path, name: str, text: str, word: str) -> None:
    put(tmp_path, name, text)
    assert len(found(tmp_path)) == 1
    assert word in found(tmp_path)[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("loopy/a.py", DOC + "x = 1\n" * 299),
        ("loopy/a.py", function(40)),
        ("loopy/_private.py", "x = 1\n"),
        ("tests/test_a.py", "x = 1\n"),
        ("loopy/demo/package/a.py", "x = 1\n" * 400),
        ("elsewhere/a.py", "x = 1\n" * 400),
    ],
)
def test_what_a_reader_can_hold_passes(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path, name, text)
    assert found(tmp_path) == []


def test_an_exception_with_a_reason_is_taken_off_and_a_stale_one_is_found(tmp_path: Path) -> None:
    put(tmp_path, "loopy/a.py", function(41))
    assert found(tmp_path, {"loopy/a.py::long": "one table of facts"}) == []
    assert found(tmp_path, {"loopy/": "a folder of records"}) == []
    put(tmp_path, "loopy/a.py", function(40))
    assert "nothing needs" in found(tmp_path, {"loopy/a.py::long": "one table of facts"})[0]


def test_every_exception_of_the_project_has_a_reason() -> None:
    assert all(len(reason.split()) >= 3 for reason in RATCHETS["EXCEPTIONS"].values())


def test_the_command_exits_1_on_a_violation(tmp_path: Path) -> None:
    put(tmp_path, "loopy/b.py", "x = 1\n")
    done = subprocess.run([sys.executable, str(TOOL), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "loopy/b.py: no module docstring" in done.stdout
