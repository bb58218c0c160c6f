"""The crash harness itself: seeds hold, every crash point kills, and a referee that sees double says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos import seeds
from tests.chaos.__main__ import attempt
from tests.chaos.database import Files, grounds
from tests.chaos.stage import FileForge
from tests.simulation.seeds import POINTS
from tests.support.servers import postgres_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ground(template: Path) -> Files:
    return Files(template)


def test_a_killed_worker_loses_and_doubles_nothing(ground: Files) -> None:
    told = [seeds.play(seed, ground) for seed in range(12)]
    assert sum(t.deaths.total() for t in told) > 12
    assert sum((t.verdicts for t in told), Counter[str]()).total() >= 24


@pytest.mark.skipif(postgres_folder() is None, reason="postgres is not installed (Debian: apt-get install postgresql)")
def test_a_killed_worker_loses_and_doubles_nothing_on_postgres() -> None:
    with grounds("postgres") as ground:
        told = [seeds.play(seed, ground) for seed in range(6)]
    assert sum(t.deaths.total() for t in told) > 6


@pytest.mark.parametrize("point", POINTS)
def test_every_crash_point_kills_and_the_work_goes_on(
    point: str, ground: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds, "POINTS", (point,))
    deaths: Counter[str] = Counter()
    for seed in range(100, 140):  # most deaths come at the first seed
        deaths += seeds.play(seed, ground).deaths
        if deaths[point]:
            return
    raise AssertionError(f"nobody died at {point}")


def test_what_lands_twice_is_found(ground: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(forge: FileForge) -> list[tuple[str, str, str]]:
        lines = [line.split() for line in forge.file.read_text().splitlines()]
        return [(run, ref, commit) for run, ref, commit in lines * 2]

    monkeypatch.setattr(FileForge, "landed", twice)
    seed, said = attempt(1, ground)
    assert (seed, "landed 2 times" in str(said)) == (1, True)
