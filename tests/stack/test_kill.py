"""The first promise on the real stack: kill any process at any moment; nothing is lost, nothing ships twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loopy.domain.failures import Failure
from loopy.domain.outcome import Coded, Packed, Shipped
from loopy.domain.states import RunState, Step, Verdict
from tests.stack.house import House, house, kill, living, redis_server, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BROKERS = ["embedded", "redis"]


@pytest.fixture
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house whose broker is the parameter's."""
    with ExitStack() as stack:
        env = {}
        if request.param == "redis":
            if shutil.which("redis-server") is None:
                pytest.skip("redis-server is not installed")
            env["LOOPY_BROKER_URL"] = stack.enter_context(redis_server(tmp_path))
        yield stack.enter_context(house(**env))


def assert_shipped_once(at: House, run_id: str) -> None:
    """PASSED, one push and no more by the repository's own log, and every outcome there once."""
    run = at.run(run_id)
    assert (run.state, run.verdict, run.reason) == (RunState.ENDED, Verdict.PASSED, "")
    with at.stage.made.graph.read() as tx:
        journal = tx.runs.outcomes(run_id)
        effects = [(e.ordinal, e.state.value, e.commit) for e in tx.effects.of(run_id)]
    assert effects == [(0, "done", run.head)]
    pushes = {branch: n for branch, n in at.pushes().items() if branch.startswith(run_id.lower())}
    assert list(pushes.values()) == [1], pushes
    turns = [(turn, step) for turn in range(1, run.turn + 1) for step in (Step.CODE, Step.CHECK)]
    assert {(turn, step) for turn, step, _ in journal} == {
        *((1, step) for step in (Step.PLAN, Step.SIZE, Step.ROUTE)),
        *turns,
        *((run.turn, step) for step in (Step.EVIDENCE, Step.SHIP)),
    }
    shipped, packed = journal[-1][2], journal[-2][2]
    assert isinstance(shipped, Shipped)
    assert isinstance(packed, Packed)
    assert shipped.head == run.head
    assert all(isinstance(o, Coded) for _, step, o in journal if step is Step.CODE)


def assert_chain_whole(at: House, runs: int) -> None:
    """One receipt for each run, linked without a gap, verified with the public key alone."""
    with at.stage.made.graph.read() as tx:
        assert tx.receipts.head()[0] == runs
    found = at.verified()
    assert [f for f in found.findings if f.ok is not True] == []


def deaths(at: House, run_id: str) -> int:
    with at.stage.made.graph.read() as tx:
        return sum(a.failure is Failure.WORKER_LOST for a in tx.runs.attempts(run_id))


@pytest.mark.parametrize("on", BROKERS, indirect=True)
def test_a_worker_killed_in_the_middle_of_a_turn_loses_nothing_and_ships_once(on: House) -> None:
    worker = on.hire()
    runs = {key: on.file(key) for key in ("fix", "tidy", "trespass", "limit")}
    on.until_it_speaks(runs["fix"])
    _, family = kill(worker)
    assert family, "a guard and an agent were there"
    gone = wait_until(lambda: not living(family), f"the guards and agents of {worker.pid} are gone", 5.0)
    fresh = on.hire()
    took = on.until_ended(*runs.values())
    assert fresh.alive
    print(f"guards and agents gone after {gone:.2f} s; all four runs at their end {took:.1f} s after the restart")
    assert deaths(on, runs["fix"]) == 1
    for key, run_id in runs.items():
        assert str(on.run(run_id).verdict) == on.piece(key).verdict, key
    for key in ("fix", "tidy", "limit"):
        assert_shipped_once(on, runs[key])
    assert on.run(runs["fix"]).turn == 2
    assert len(on.pushes()) == 3
    assert_chain_whole(on, 4)


@pytest.mark.parametrize("on", BROKERS, indirect=True)
def test_a_survivor_takes_over_from_a_killed_worker_by_itself(on: House) -> None:
    on.hire()
    on.hire()
    run_id = on.file("fix")
    on.until_it_speaks(run_id)
    victim = on.owner(run_id)
    killed, family = kill(victim)
    resumed = on.resumed_after(run_id, killed)
    print(f"claimed again by the survivor {resumed * 1000:.0f} ms after the kill")
    wait_until(lambda: not living(family), "the guard and the agent are gone", 5.0)
    on.until_ended(run_id)
    assert resumed < 5.0
    assert deaths(on, run_id) == 1
    assert_shipped_once(on, run_id)
    assert_chain_whole(on, 1)


@pytest.mark.parametrize("on", ["embedded"], indirect=True)
@pytest.mark.parametrize(
    "point",
    [
        "claim.after_commit:4",  # the agent is about to start
        "finish.in_transaction:5",  # the checks are done, and nobody knows it yet
        "ship.after_intent:1",
        "ship.after_push:1",
        "end.after_head:1",
        "finish.after_commit:7",  # the run has ended, and its receipt is not published yet
    ],
)
def test_a_worker_that_dies_at_a_crash_point_ships_once_all_the_same(on: House, point: str) -> None:
    doomed = on.hire(LOOPY_CRASH=point)
    run_id = on.file("tidy")
    wait_until(lambda: not doomed.alive, f"the worker dies at {point}")
    assert doomed.process.returncode == -9
    ended_before = on.run(run_id).state is RunState.ENDED
    on.hire()
    on.until_ended(run_id)
    assert deaths(on, run_id) == (0 if ended_before else 1)
    assert_shipped_once(on, run_id)
    assert_chain_whole(on, 1)
    folder = on.stage.made.run_folder(run_id)
    wait_until((folder / "receipt.dsse.json").exists, "the receipt's file is published", 30.0)
