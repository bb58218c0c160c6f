"""Two `loopy up` on one home: from the same instant on a fresh home, at work together, and when one is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopy.domain.states import RunState
from loopy.process import background
from loopy.process.background import Background
from tests.stack.house import House, house, kill, living, wait_until
from tests.stack.test_kill import assert_chain_whole, assert_shipped_once, deaths

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
UP = (sys.executable, "-P", "-m", "loopy", "up")
KEYS = ("fix", "tidy", "trespass") * 3
ROUNDS = 5


@pytest.fixture
def on() -> Iterator[House]:
    """A house whose home is as a person leaves it who has only written the settings."""
    with house() as made:
        home = made.stage.made.settings.home
        for entry in home.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != "loopy.toml":
                entry.unlink()
        yield made


def up(on: House, count: int) -> list[Background]:
    """Start so many at once; wait until all have said that they are ready."""
    logs = [on.stage.folder / f"up-{len(on.workers) + n}.log" for n in range(count)]
    started = [background.start(UP, on.stage.env, log) for log in logs]
    on.workers += started

    def all_ready() -> bool:
        assert all(each.alive for each in started), [log.read_text() for log in logs]
        return all("ready;" in log.read_text() for log in logs)

    wait_until(all_ready, "all are ready")
    assert sorted(on.rows().values()) == sorted(each.pid for each in on.workers)
    return started


def owners_until_ended(on: House, runs: list[str]) -> Counter[str]:
    """Wait until all have ended; return how many runs each worker was seen to have."""
    seen: set[tuple[str, str]] = set()

    def ended() -> bool:
        found = [on.run(run_id) for run_id in runs]
        seen.update((str(run.owner), run.id) for run in found if run.owner)
        return all(run.state is RunState.ENDED for run in found)

    wait_until(ended, f"{runs} have ended")
    return Counter(owner for owner, _ in seen)


def assert_each_ended_once(on: House, runs: dict[str, str]) -> None:
    for run_id, key in runs.items():
        assert str(on.run(run_id).verdict) == on.piece(key).verdict, run_id
        if key != "trespass":
            assert_shipped_once(on, run_id)
    assert len(on.pushes()) == sum(key != "trespass" for key in runs.values())
    assert_chain_whole(on, len(runs))


def assert_clean(on: House) -> None:
    """Nothing broken, nothing left over: fsck, both files of SQLite, messages, locks."""
    told = subprocess.run(
        [sys.executable, "-P", "-m", "loopy", "fsck", "--json"], env=dict(on.stage.env), capture_output=True, text=True
    )
    assert (told.returncode, json.loads(told.stdout)["breaches"]) == (0, []), told.stderr
    settings = on.stage.made.settings
    for path in (settings.home / "loopy.db", settings.broker_db):
        assert rows(path, "PRAGMA integrity_check") == [("ok",)], path
    with on.stage.made.app.connection_for_write() as broker:
        broker.connect()  # whoever looks next closes the rows of the dead, but none of the living
    # Beat may have asked for a sweep in the last moment; no step may be left.
    assert rows(settings.broker_db, "SELECT queue, payload FROM message WHERE queue <> 'control'") == []
    assert rows(settings.broker_db, "SELECT * FROM owner") == []
    assert os.listdir(settings.broker_db.with_suffix(".owners")) == []
    assert os.listdir(settings.alive) == []


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found


def stop(*workers: Background) -> None:
    for worker in workers:
        worker.process.send_signal(signal.SIGTERM)
    assert [worker.process.wait(30) for worker in workers] == [0] * len(workers)


def test_two_that_start_in_the_same_instant_on_a_fresh_home_share_its_work(on: House) -> None:
    assert os.listdir(on.stage.made.settings.home) == ["loopy.toml"]
    pair = up(on, 2)
    assert len(list(on.stage.made.settings.keys.glob("*.pub"))) == 1
    runs: dict[str, str] = {}
    shared: dict[str, int] = {}
    for _ in range(ROUNDS):  # whoever is quicker may take all of one round
        more = {on.file(key): key for key in KEYS}
        runs |= more
        shared |= owners_until_ended(on, list(more))
        if set(shared) == set(on.rows()):
            break
    print(f"runs that each was seen to have: {sorted(shared.values())}")
    assert set(shared) == set(on.rows())
    assert all(worker.alive for worker in pair)
    assert_each_ended_once(on, runs)
    stop(*pair)
    assert_clean(on)


def test_when_one_of_two_is_killed_the_other_ends_everything_once(on: House) -> None:
    pair = up(on, 2)
    runs = {on.file(key): key for key in KEYS}
    busy = next(run_id for run_id, key in runs.items() if key == "fix")
    on.until_it_speaks(busy)
    victim = on.owner(busy)
    killed, family = kill(victim)
    took = on.resumed_after(busy, killed)
    wait_until(lambda: not living(family), "its guards and agents are gone", 5.0)
    on.until_ended(*runs)
    print(f"claimed again by the other {took * 1000:.0f} ms after the kill")
    assert sum(deaths(on, run_id) for run_id in runs) >= 1
    assert deaths(on, busy) == 1
    assert_each_ended_once(on, runs)
    survivor = next(worker for worker in pair if worker is not victim)
    stop(survivor)
    assert_clean(on)


def test_many_that_start_in_the_same_instant_on_no_home_at_all_make_one_and_serve_it(on: House) -> None:
    on.stage.made.settings.file.unlink()
    on.stage.made.settings.home.rmdir()
    three = up(on, 3)
    wait_until(lambda: len(os.listdir(on.stage.made.settings.alive)) == 3, "all three hold their locks")
    stop(*three)
    assert_clean(on)
