"""The example that a reader meets first runs, and says what the text says."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "examples" / "loop_in_one_page.py"
EXAMPLE: dict[str, Any] = runpy.run_path(str(PAGE))
BUG = {"add.py": "a - b"}


def run(agent: Any, tree: dict[str, str] = BUG) -> tuple[dict[str, str], dict[str, Any]]:
    tree, receipt = EXAMPLE["loop"]("Fix add()", tree, {"agent": agent}, {"pytest": EXAMPLE["adds"]})
    return tree, json.loads(receipt)


def test_the_page_runs_and_ends_with_a_receipt() -> None:
    done = subprocess.run([sys.executable, str(PAGE)], capture_output=True, text=True, check=True)
    assert "turn 1: novice coded; pytest: add(1, 2) gave 2, wanted 3" in done.stdout
    assert "turn 2: novice coded; pytest: passed" in done.stdout
    assert '"verdict": "PASSED"' in done.stdout


def test_a_failed_check_becomes_the_next_turns_feedback() -> None:
    tree, receipt = run(EXAMPLE["novice"])
    assert (tree, receipt["verdict"], receipt["turns"]) == ({"add.py": "a + b"}, "PASSED", 2)


def test_an_agent_that_never_passes_ships_nothing_and_gets_a_receipt() -> None:
    tree, receipt = run(lambda _prompt, _tree: {"add.py": "a * b"})
    assert (tree, receipt["verdict"]) == (BUG, "FAILED")


def test_no_change_is_no_success() -> None:
    _, receipt = run(lambda _prompt, tree: tree, {"add.py": "a + b"})
    assert receipt["verdict"] == "FAILED"


def test_no_check_is_no_success() -> None:
    _, receipt = EXAMPLE["loop"]("Fix add()", BUG, {"novice": EXAMPLE["novice"]}, {})
    assert json.loads(receipt)["verdict"] == "FAILED"


def test_the_page_stays_a_page() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.strip()]
    assert len(lines) <= 70
