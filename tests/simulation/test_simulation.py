"""The simulation itself: seeds hold, replay, visit every crash point, and can fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import loopy
from tests.simulation.__main__ import attempt
from tests.simulation.invariants import InvariantError, Writer, after_commit
from tests.simulation.rows import Rows
from tests.simulation.seeds import POINTS, play


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_or_doubled_whatever_breaks(seed: int) -> None:
    assert play(seed).verdicts


def test_a_seed_replays_to_the_letter() -> None:
    assert play(7) == play(7)


def test_every_crash_point_of_the_engine_is_known_to_the_simulation() -> None:
    sources = [*Path(loopy.__file__).parent.rglob("*.py")]
    named = {point for file in sources for point in re.findall(r'crashpoint\("([^"]+)"\)', file.read_text())}
    assert named == set(POINTS)


def test_what_breaks_is_told_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise InvariantError("the sky fell")

    monkeypatch.setattr("tests.simulation.watched.after_commit", broken)
    seed, said = attempt(3)
    assert (seed, "the sky fell" in str(said)) == (3, True)
    assert after_commit(Rows(), Rows(), None, {}, Writer()) is None  # type: ignore[arg-type,func-returns-value]
