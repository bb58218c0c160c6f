"""Rules 11 and 12: failover and waits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import loopy
from loopy.domain.agent import Account, Agent, Tried, pooled
from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine.failover import successor
from loopy.engine.order import MOVES
from tests.engine.world import World

# ---- rule 11: failover


def test_11_a_failover_is_claimed_and_writes_attempts_only(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.deliver()
    assert world.run(run.id).segment is Segment.FAILOVER
    assert world.bell.messages == [(run.id, world.run(run.id).epoch, ("failover",))]
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.FAILOVER) is None
        assert [a.to_agent for a in tx.runs.attempts(run.id)] == ["", "b"]


def test_11_a_failover_needs_no_turn_slot(world: World) -> None:
    world.limit(turns=1)
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    limited, other = world.start("limited"), world.start("other")
    world.pump_until(limited.id, Step.FAILOVER)
    assert (world.run(limited.id).live, world.run(other.id).live) == (True, True)


def test_11_a_failover_is_recovered_when_its_worker_dies(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump_until(run.id, Step.FAILOVER)
    with world.dying("claim.after_commit"):
        world.deliver()
    assert world.run(run.id).owner == "w1"
    world.succeed("w1", "w2")
    assert (world.run(run.id).verdict, world.run(run.id).agent) == (Verdict.PASSED, "b")


def test_11_the_next_account_of_a_pool_takes_over_before_another_agent(world: World) -> None:
    accounts = {name: Account(name=name) for name in ("work", "private")}
    a = world.known["a"].model_copy(update={"accounts": tuple(accounts)})
    world.known = pooled({"a": a, "b": world.known["b"]}, accounts)
    world.bench.turns = [Tried(failure=Failure.QUOTA, account="work")]
    run = world.start()
    world.pump()
    now = world.run(run.id)
    assert (now.verdict, now.agent, now.account) == (Verdict.PASSED, "a@private", "private")


def test_11_who_is_to_stay_with_its_agent_waits_for_its_reset(world: World) -> None:
    reset = world.clock.now() + timedelta(hours=1)
    world.bench.turns = [Tried(failure=Failure.QUOTA, resets_at=reset)]
    run = world.intake.start(world.file("Fix it").id, "tester", "a", failover=False)
    world.pump()
    now = world.run(run.id)
    assert (now.wait, now.agent, now.owner) == (Wait.LIMIT, "a", None)
    assert now.wake_at is not None
    assert now.wake_at >= reset
    world.clock.tick(3700)
    world.sweep().once()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).agent) == (Verdict.PASSED, "a")


def test_11_an_agent_without_failover_waits_for_its_reset(world: World) -> None:
    world.known["a"] = world.known["a"].model_copy(update={"failover": False})
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    assert (world.run(run.id).wait, world.run(run.id).agent) == (Wait.LIMIT, "a")


def test_11_an_account_cools_for_a_minute_at_least(world: World) -> None:
    soon = world.clock.now() + timedelta(seconds=1)
    world.bench.turns = [Tried(failure=Failure.THROTTLE, resets_at=soon)]
    world.start()
    world.pump()
    with world.graph.read() as tx:
        until = tx.fleet.cooldowns()["a"].until
    assert until - world.clock.now() >= timedelta(seconds=60)


def test_11_two_limited_agents_do_not_play_ping_pong(world: World) -> None:
    run = replace(world.start(), moves=MOVES, agent="a")
    away = successor(run, Failure.QUOTA, ("a", "b"), world.known, {}, lambda _a: True, world.clock.now())
    assert away.to_agent == ""
    assert away.wake_at is not None
    assert away.wake_at > world.clock.now()


def test_11_after_it_parked_a_run_may_move_as_often_again(world: World) -> None:
    crowd = tuple(f"agent{n}" for n in range(MOVES + 1))
    world.known |= {name: Agent(name=name, argv=(name,)) for name in crowd}
    world.known["a"] = world.known["a"].model_copy(update={"fallback": crowd})
    world.bench.turns = [Tried(failure=Failure.QUOTA) for _ in range(MOVES + 1)]
    run = world.start()
    world.pump()
    parked = world.run(run.id)
    assert (len(world.bench.agents), parked.wait, parked.moves) == (MOVES + 1, Wait.LIMIT, 0)
    world.clock.tick(400)
    world.sweep().once()
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).moves) == (Verdict.PASSED, 1)


def test_11_one_probe_run_per_account_until_a_success(world: World) -> None:
    with world.graph.write() as tx:
        tx.fleet.cool("a", world.clock.now(), "quota")
    runs = [world.start(f"t{n}").id for n in range(3)]
    for _ in range(9):
        world.deliver()
    in_turn = [r for r in map(world.run, runs) if r.segment is Segment.TURN]
    assert len(in_turn) == 3
    assert sum(r.live for r in in_turn) == 1
    world.deliver()  # the probe's code step ends by itself: the account is proven, and the others may go
    assert sum(world.run(r).live for r in runs) == 3
    world.pump()
    assert all(world.run(r).verdict is Verdict.PASSED for r in runs)


def test_11_a_run_that_waited_while_its_account_met_a_limit_moves_on_without_a_try(world: World) -> None:
    world.limit(turns=1)
    world.known["a"] = world.known["a"].model_copy(update={"fallback": ("b",)})
    world.bench.turns = [Tried(failure=Failure.QUOTA, resets_at=world.clock.now() + timedelta(hours=1))]
    first, second = world.start("first"), world.start("second")
    world.pump()
    assert world.bench.agents == ["a", "b", "b"]
    with world.graph.read() as tx:
        ends = tx.fleet.cooldowns()["a"].until
    assert ends == world.clock.now() + timedelta(hours=1, seconds=5)  # nobody who passed by made it longer
    assert [world.run(r.id).verdict for r in (first, second)] == [Verdict.PASSED] * 2


# ---- rule 12: waits


@pytest.mark.parametrize("failure", [Failure.AGENT_MISSING, Failure.AUTH, Failure.BILLING])
def test_11_an_agent_that_a_person_has_mended_is_tried_again_at_once(world: World, failure: Failure) -> None:
    world.bench.turns = [Tried(failure=failure), Tried(failure=failure)]
    run = world.start()
    world.pump()
    assert world.run(run.id).wait is Wait.QUESTION
    world.clock.tick(1)
    world.intake.resume(run.id, "person:me")
    world.pump()
    assert world.bench.agents == ["a", "b", "a"]
    assert world.run(run.id).verdict is Verdict.PASSED


def test_11_a_persons_word_ends_no_limit_that_has_a_reset(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.AUTH)]
    run = world.start()
    world.pump()
    assert world.run(run.id).wait is Wait.QUESTION
    world.intake.resume(run.id, "person:me")
    world.pump()
    assert world.bench.agents == ["a", "b", "b"]


def test_12_a_wait_holds_no_owner_and_no_slot(world: World) -> None:
    world.change(approve="always")
    world.limit(steps=1)
    run = world.start()
    world.pump()
    waiting = world.run(run.id)
    assert (waiting.state, waiting.owner, waiting.segment, waiting.step) == (
        RunState.WAITING,
        None,
        Segment.FINISH,
        Step.SHIP,
    )
    other = world.start("other")
    assert world.run(other.id).live


def test_12_a_wait_leaves_nothing_in_the_broker(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    waiting = world.run(run.id)
    assert (waiting.wait, waiting.wake_at is not None) == (Wait.LIMIT, True)
    world.clock.tick(10)
    world.sweep().once()
    assert world.bell.messages == []


def test_12_no_message_is_ever_sent_with_an_eta() -> None:
    root = Path(loopy.__file__).parents[1]
    sources = [*root.glob("loopy/**/*.py"), *root.glob("workers/*.py"), root / "beat_schedule.py"]
    asked = [p.name for p in sources if re.search(r"\b(eta|countdown)\s*=", p.read_text(encoding="utf-8"))]
    assert (len(sources) > 100, asked) == (True, [])


@pytest.mark.parametrize("failure", [Failure.QUOTA, Failure.DISK_FULL])
def test_12_a_clock_that_is_set_back_makes_no_wait_longer(world: World, failure: Failure) -> None:
    world.bench.turns = [Tried(failure=failure)] * (2 if failure is Failure.QUOTA else 1)
    run, sweep = world.start(), world.sweep()
    world.pump()
    sweep.once()
    assert world.run(run.id).wait in {Wait.LIMIT, Wait.DISK}
    world.clock.tick(1)
    world.clock.wall -= timedelta(hours=5)
    sweep.once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_12_a_clock_that_is_kept_right_wakes_nobody(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    run, sweep = world.start(), world.sweep()
    world.pump()
    for seconds in (0, -30, 40, 3, -59):
        sweep.once()
        world.clock.lived += 1
        world.clock.wall += timedelta(seconds=1 + seconds)
    world.sweep("w1").once()  # a process that has just begun knows of no clock before
    assert world.run(run.id).wait is Wait.LIMIT
    assert world.bell.messages == []
