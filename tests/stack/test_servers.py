"""The first promise on other servers: the graph on Postgres, messages on RabbitMQ; and the engine's own rules on Postgres."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stack.house import House, house, kill, living, wait_until
from tests.stack.test_kill import assert_chain_whole, assert_shipped_once, deaths
from tests.support.databases import ASKED
from tests.support.servers import RABBITMQ, postgres, postgres_folder, rabbitmq

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]


def servers(names: str, stack: ExitStack) -> dict[str, str]:
    """Start the servers of that list; return the variables that name them."""
    env = {}
    if "postgres" in names:
        if postgres_folder() is None:
            pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
        env["LOOPY_DATABASE_URL"] = stack.enter_context(postgres()).fresh()
    if "rabbitmq" in names:
        if not RABBITMQ.exists():
            pytest.skip("rabbitmq is not installed (Debian: apt-get install rabbitmq-server)")
        env["LOOPY_BROKER_URL"] = stack.enter_context(rabbitmq()).url
    return env


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Iterator[House]:
    with ExitStack() as stack:
        env = servers(request.param, stack)
        made = stack.enter_context(house(**env))
        assert (made.stage.made.graph.path is None) == ("postgres" in request.param)
        assert (made.stage.made.settings.broker_url is None) == ("rabbitmq" not in request.param)
        yield made
        assert made.stage.made.settings.broker_db.exists() == ("rabbitmq" not in request.param)


@pytest.mark.parametrize("on", ["postgres", "rabbitmq", "postgres and rabbitmq"], indirect=True)
def test_a_worker_killed_in_the_middle_of_a_turn_loses_nothing_and_ships_once(on: House) -> None:
    worker = on.hire()
    runs = {key: on.file(key) for key in ("fix", "tidy", "trespass", "limit")}
    on.until_it_speaks(runs["fix"])
    _, family = kill(worker)
    assert family, "a guard and an agent were there"
    wait_until(lambda: not living(family), f"the guards and agents of {worker.pid} are gone", 5.0)
    on.hire()
    took = on.until_ended(*runs.values())
    print(f"all four runs at their end {took:.1f} s after the restart")
    assert deaths(on, runs["fix"]) == 1
    for key, run_id in runs.items():
        assert str(on.run(run_id).verdict) == on.piece(key).verdict, key
    for key in ("fix", "tidy", "limit"):
        assert_shipped_once(on, runs[key])
    assert len(on.pushes()) == 3
    assert_chain_whole(on, 4)


@pytest.mark.parametrize("on", ["postgres", "rabbitmq"], indirect=True)
def test_a_survivor_takes_over_from_a_killed_worker_by_itself(on: House) -> None:
    on.hire()
    on.hire()
    run_id = on.file("fix")
    on.until_it_speaks(run_id)
    killed, family = kill(on.owner(run_id))
    resumed = on.resumed_after(run_id, killed)
    print(f"claimed again by the survivor {resumed * 1000:.0f} ms after the kill")
    wait_until(lambda: not living(family), "the guard and the agent are gone", 5.0)
    on.until_ended(run_id)
    assert resumed < 10.0
    assert_shipped_once(on, run_id)
    assert_chain_whole(on, 1)


@pytest.mark.timeout(900)
def test_every_rule_of_the_engine_holds_on_postgres() -> None:
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres() as server:
        env = {**os.environ, ASKED: server.url}
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/engine"]
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)
    print(done.stdout[-3000:])
    assert done.returncode == 0
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 200
    assert "skipped" not in done.stdout


def test_a_database_server_that_crashes_in_the_middle_of_a_turn_loses_nothing() -> None:
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres(durable=True) as server, house(LOOPY_DATABASE_URL=server.fresh()) as at:
        worker = at.hire()
        run_id = at.file("fix")
        at.until_it_speaks(run_id)
        server.restart()
        at.until_ended(run_id)
        assert worker.alive
        assert_shipped_once(at, run_id)
        assert_chain_whole(at, 1)
