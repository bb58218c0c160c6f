"""The crash harness itself: seeds hold, every crash point kills, stalls are taken over, and a referee that sees double says so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.chaos import fate, seeds
from tests.chaos.__main__ import attempt
from tests.chaos.database import Files, grounds
from tests.chaos.stage import FileForge
from tests.chaos.storm import Storm
from tests.simulation.invariants import InvariantError
from tests.simulation.seeds import POINTS
from tests.support.servers import postgres_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ground(template: Path) -> Files:
    return Files(template)


def test_a_killed_worker_loses_and_doubles_nothing(ground: Files) -> None:
    told = [seeds.play(seed, ground, stalling=0.0) for seed in range(12)]
    assert sum(t.deaths.total() for t in told) > 12
    assert sum((t.verdicts for t in told), Counter[str]()).total() >= 24


def test_a_stalled_worker_loses_and_doubles_nothing(ground: Files) -> None:
    told = [seeds.play(seed, ground, stalling=1.0) for seed in range(8)]
    assert sum(t.stalls.total() for t in told) > 8, "so many were taken over while they stood still"


@pytest.mark.parametrize("error", [KeyboardInterrupt, InvariantError])
def test_whatever_ends_a_seed_no_stalled_worker_stays_behind(
    ground: Files, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    asleep: list[int] = []

    def broken(storm: Storm) -> None:
        asleep.extend(storm.stopped)
        raise error

    monkeypatch.setattr(Storm, "_wake", broken)
    with pytest.raises(error):
        _ = [seeds.play(seed, ground, stalling=1.0) for seed in range(20)]
    assert asleep, "somebody stood still"
    assert not any(psutil.pid_exists(pid) for pid in asleep)


@pytest.mark.skipif(postgres_folder() is None, reason="postgres is not installed (Debian: apt-get install postgresql)")
def test_a_killed_worker_loses_and_doubles_nothing_on_postgres() -> None:
    with grounds("postgres") as ground:
        told = [seeds.play(seed, ground, stalling=0.5) for seed in range(6)]
    assert sum((t.deaths + t.stalls).total() for t in told) > 6


@pytest.mark.parametrize("point", POINTS)
def test_every_crash_point_kills_and_the_work_goes_on(
    point: str, ground: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fate, "POINTS", (point,))
    deaths: Counter[str] = Counter()
    for seed in range(100, 140):  # most deaths come at the first seed
        deaths += seeds.play(seed, ground, stalling=0.0).deaths
        if deaths[point]:
            return
    raise AssertionError(f"nobody died at {point}")


def test_what_lands_twice_is_found(ground: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    once = FileForge.landed
    monkeypatch.setattr(FileForge, "landed", lambda forge: once(forge) * 2)
    said = [str(attempt(seed, ground)[1]) for seed in range(4)]  # in one of them nothing may land at all
    assert any("landed 2 times" in words for words in said), said
