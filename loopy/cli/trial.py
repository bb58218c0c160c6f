"""`loopy init --try`: set-up and checks once on the newest commit, for what fails there lets nothing ship but its own repair."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loopy.cli.paper import NO_SANDBOX, echo, ink, line, safe
from loopy.cli.times import lasting

if TYPE_CHECKING:
    from loopy.cli.reader import Place
    from loopy.domain.check import CheckResult
    from loopy.domain.detected import Detected

SHOWN = 1500  # characters of a failed check's output


def tried(place: Place, found: Detected) -> Sequence[CheckResult]:
    """Return how the detected checks end on a clean checkout of the newest commit; nothing is written there."""
    from loopy.cli.reader import Objects
    from loopy.cli.rerun import run_checks

    head = Objects(place.git_dir).head()
    if head is None:
        return ()
    echo(f"trying them on {head[:12]} ({NO_SANDBOX}: they run with your rights) …", err=True)
    with tempfile.TemporaryDirectory(prefix="loopy-try-") as folder:
        return run_checks(Path(folder), place.git_dir, head, found.setup, found.checks)


def tell_tried(results: Sequence[CheckResult]) -> int:
    """Print each result; return 0 when all passed, 1 otherwise."""
    for result in results:
        mark, name = ("✓", "good") if result.passed else ("✗", "bad")
        echo(
            f"{ink(mark, name)} {result.name:<12} {line(result.why) or 'passed'} ({lasting(result.duration_ms / 1000)})"
        )
        if not result.passed and result.tail:
            echo(ink(safe(result.tail[-SHOWN:]), "quiet"))
    if all(result.passed for result in results):
        return 0
    echo("a check that fails on the base lets nothing ship but its own repair: mend it, or take it out of loopy.toml")
    return 1
