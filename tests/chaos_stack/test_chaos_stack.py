"""Two fixed seeds of the whole harness on the embedded broker and one on Redis, and that its referee can say no."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopy.domain.states import RunState, Verdict
from tests.chaos_stack.crew import UP, Crew, Post
from tests.chaos_stack.ground import Ground
from tests.chaos_stack.reckon import left_over, reckon
from tests.chaos_stack.scenery import Scene, make_template, set_scene
from tests.chaos_stack.seeds import Play, play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


SEEDS = [(3, "embedded", "sqlite"), (29, "embedded", "sqlite"), (38, "redis", "sqlite"), (2, "rabbitmq", "postgres")]


@pytest.mark.parametrize(("seed", "broker", "database"), SEEDS)
def test_nothing_is_lost_and_nothing_ships_twice_whatever_is_killed(
    seed: int, broker: str, database: str, template: Path
) -> None:
    on = Ground(broker, database)
    if not on.installed:
        pytest.skip(f"the servers for {on} are not installed")
    told = play(seed, template, on)
    assert told.found.all == [], told.folder
    assert told.faults.total() >= 3
    assert told.verdicts.total() >= 2
    assert not Path(told.folder).exists()


@pytest.fixture(scope="module")
def done(template: Path) -> Iterator[Scene]:
    """A home in which two tickets have shipped, and nobody was harmed."""
    rng = random.Random(1)
    scene = set_scene(template, "done", rng)
    crew = Crew(scene, rng, [Post("worker-0", UP)])
    playing = Play(scene, crew, rng)
    try:
        playing.file("plain")
        playing.file("plain")
        assert playing.until(playing.settled, 60.0)
        assert crew.stop() == []
        yield scene
    finally:
        crew.kill()
        scene.close()
        shutil.rmtree(scene.folder)


@pytest.fixture
def harmed(done: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A copy of it, to tamper with."""
    folder = tmp_path / "copy"
    shutil.copytree(done.folder, folder, symlinks=True)
    (folder / "home").chmod(0o700)
    scene = Scene(folder)
    yield scene
    scene.close()


FILED = ["LP-1.1", "LP-2.1"]


def test_the_referee_has_no_word_against_a_home_in_which_all_is_well(harmed: Scene) -> None:
    assert reckon(harmed, FILED).all == []


def test_the_referee_sees_that_the_targets_log_says_twice(harmed: Scene) -> None:
    log = harmed.folder / "landed.log"
    first = next(line for line in log.read_text().splitlines() if line.startswith("refs/heads/"))
    with log.open("a") as again:
        again.write(f"{first}\n")
    assert [said.partition(" was")[0] for said in reckon(harmed, FILED).doubled] == [first.split()[0]]


def test_the_referee_sees_a_branch_that_nobody_meant(harmed: Scene) -> None:
    with (harmed.folder / "landed.log").open("a") as log:
        log.write(f"refs/heads/loopy/lp-9.1 {'0' * 40} {'1' * 40}\n")
    assert reckon(harmed, FILED).other == ["refs/heads/loopy/lp-9.1 was written, and no effect says so"]


def test_the_referee_sees_a_run_that_never_landed(harmed: Scene) -> None:
    log = harmed.folder / "landed.log"
    log.write_text("")
    shutil.rmtree(harmed.target / "refs" / "heads" / "loopy")
    assert [said for said in reckon(harmed, FILED).other if "PASSED with head" in said]


def test_the_referee_misses_a_run_that_was_filed(harmed: Scene) -> None:
    assert reckon(harmed, [*FILED, "LP-3.1"]).lost == ["LP-3.1 was filed and is not there"]


def test_the_referee_sees_a_run_that_never_ended(harmed: Scene) -> None:
    with harmed.made.graph.write() as tx:
        run = tx.runs.get("LP-2.1")
        assert run is not None
        tx.runs.move(run, "run.put", state=RunState.QUEUED, ended_at=None)
    found = reckon(harmed, FILED)
    assert found.lost == ["LP-2.1 never ended: queued  at ship"]
    assert any(said.startswith("rule ") for said in found.other)


@pytest.mark.parametrize("name", ["evidence.json", "ship.patch", "receipt.dsse.json"])
def test_the_referee_misses_a_file_of_the_evidence(name: str, harmed: Scene) -> None:
    (harmed.home / "runs" / "LP-1.1" / name).unlink()
    assert [said for said in reckon(harmed, FILED).other if said.startswith("LP-1.1: ")]


def test_the_referee_sees_a_process_that_was_left_behind(tmp_path: Path) -> None:
    stray = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        assert left_over(tmp_path, frozenset(), 0.0) == [f"process {stray.pid} lives on: sleep 60"]
        assert left_over(tmp_path, frozenset({stray.pid}), 0.0) == []
    finally:
        stray.kill()
        stray.wait()


def test_a_lone_worker_that_stood_still_is_no_defect_of_its_run(template: Path) -> None:
    rng = random.Random(1)
    scene = set_scene(template, "frozen", rng)
    playing = Play(scene, Crew(scene, rng, [Post("worker-0", UP)]), rng)
    crew, settings = playing.crew, scene.home / "loopy.toml"
    settings.write_text(re.sub(r'"plain", "[\d.]+"', '"plain", "3"', settings.read_text()))  # more than a guard bears
    try:
        playing.file("plain")
        assert playing.until(lambda: bool(crew.commands()), 60.0), "its agent is at work"
        crew.freeze(crew.workers[0])
        assert playing.until(playing.settled, 90.0)
        assert crew.stop() == []
        assert reckon(scene, playing.filed).all == []
        assert playing.runs()[0].verdict is Verdict.PASSED
    finally:
        playing.tidy()
