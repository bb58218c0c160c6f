"""`loopy demo`, as a newcomer sees it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_the_demo_holds_and_ends_with_what_was_shown_how_long_it_took_and_how_to_see_more(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "loopy", "demo"],
        env=env | {"TMPDIR": str(tmp_path)}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=220,
    )  # fmt: skip
    rows = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = tmp_path.glob("loopy-demo-*")
    said = rf"✓ 4 tickets, 1 kill -9, 4 receipts verified, in \d+ s · more: LOOPY_HOME=({folder}/home) loopy board · "
    found = re.match(said + f"kept until you delete {folder}$", rows[-1])
    assert found, rows[-1]
    first = next(n for n, row in enumerate(rows) if row.startswith("$ loopy verify"))
    assert rows[first - 1] == ""
    assert rows[first - 2] != ""
    assert not any(before == after == "" for before, after in pairwise(rows))
    board = subprocess.run(
        [sys.executable, "-P", "-m", "loopy", "board"],
        env=env | {"LOOPY_HOME": found[1]}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert board.stdout.count("shipped") == 3
    shutil.rmtree(folder)
