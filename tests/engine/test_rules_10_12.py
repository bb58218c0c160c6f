"""Rules 10 to 12: admission, failover and waits."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import loopy
from loopy.domain.agent import Agent, Tried
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits, choose
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine.failover import successor
from loopy.engine.order import MOVES
from tests.engine.acts import take
from tests.engine.world import World

# ---- rule 10: admission


def test_10_slots_are_counted_from_live_rows(world: World) -> None:
    world.limit(turns=2, repo=9)
    runs = [world.start(f"t{n}").id for n in range(4)]
    for _ in range(12):
        world.deliver()
    live = [r for r in map(world.run, runs) if r.segment is Segment.TURN and r.live]
    ready = [r for r in map(world.run, runs) if r.segment is Segment.TURN and r.state is RunState.READY]
    assert (len(live), len(ready)) == (2, 2)


def test_10_a_freed_slot_goes_to_the_next_in_the_same_transaction(world: World) -> None:
    world.limit(turns=1)
    runs = [world.start(f"t{n}").id for n in range(3)]
    world.pump()
    assert [world.run(r).verdict for r in runs] == [Verdict.PASSED] * 3


def test_10_a_death_leaks_no_slot(world: World) -> None:
    world.limit(turns=1)
    first, second = world.start("first"), world.start("second")
    for _ in range(6):
        world.deliver()
    assert [world.run(r.id).live for r in (first, second)] == [True, False]
    world.hire("victim")
    take(world, first.id, "victim")
    world.gone.add("victim")
    world.sweep().once()
    assert [world.run(r.id).live for r in (first, second)] == [True, False]
    world.pump()
    assert [world.run(r.id).verdict for r in (first, second)] == [Verdict.PASSED, Verdict.PASSED]


def test_10_a_cancelled_run_gives_its_slot_away_at_once(world: World) -> None:
    world.limit(turns=1)
    first, second = world.start("first"), world.start("second")
    for _ in range(6):
        world.deliver()
    world.intake.cancel("LP-1", "tester")
    assert (world.run(first.id).segment, world.run(second.id).live) == (Segment.FINISH, True)


def test_10_a_red_check_keeps_its_slot_for_its_own_next_turn(world: World) -> None:
    world.limit(turns=1)
    world.bench.reports = [False]
    first, second = world.start("first"), world.start("second")
    for _ in range(6):
        world.deliver()
    while world.run(first.id).turn == 1:
        world.deliver()
    assert [world.run(r.id).state for r in (first, second)] == [RunState.QUEUED, RunState.READY]
    assert (world.run(first.id).segment, world.run(first.id).step) == (Segment.TURN, Step.CODE)


def test_10_a_failover_and_a_wait_give_their_slot_away(world: World) -> None:
    world.limit(turns=1)
    reset = world.clock.now() + timedelta(hours=1)
    world.bench.turns = [Tried(failure=Failure.QUOTA, resets_at=reset)]
    world.known = {"a": world.known["a"].model_copy(update={"fallback": ()}), "b": world.known["b"]}
    first, second = world.start("first"), world.start("second", agent="b")
    for _ in range(6):
        world.deliver()
    while world.run(first.id).segment is Segment.TURN:
        world.deliver()
    assert world.run(first.id).segment is Segment.FAILOVER
    assert (world.run(second.id).segment, world.run(second.id).live) == (Segment.TURN, True)
    world.pump()
    assert world.run(first.id).wait is Wait.LIMIT
    assert world.run(second.id).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("limits", "wide", "facts", "free"),
    [
        (Limits(turns=9), 9, {}, 3),
        (Limits(turns=2), 9, {}, 2),
        (Limits(turns=9), 1, {}, 2),  # one of each agent
        (Limits(turns=9), 1, {"account": "shared"}, 1),
        (Limits(turns=9, repo=1), 9, {}, 2),  # two repositories
        (Limits(turns=9, repo=1), 9, {"repo": "/srv/one"}, 1),
        (Limits(turns=9, mission=1), 9, {"mission": "M-1"}, 1),
    ],
)
def test_10_host_agent_account_repository_and_mission_each_have_a_limit(
    world: World, limits: Limits, wide: int, facts: dict[str, str], free: int
) -> None:
    agents = {n: Agent(name=n, argv=(n,), concurrency=wide) for n in ("a", "b")}
    run = replace(world.start(), segment=Segment.TURN, step=Step.CODE, state=RunState.READY)
    ready = [
        replace(run, agent=n, account=n, repo=r) for n, r in (("a", "/srv/one"), ("b", "/srv/two"), ("a", "/srv/one"))
    ]
    ready = [replace(r, account=facts.get("account", r.account), repo=facts.get("repo", r.repo)) for r in ready]
    ready = [replace(r, mission=facts.get("mission", "")) for r in ready]
    assert len(choose(ready, [], limits, agents, frozenset())) == free
    live = [replace(r, state=RunState.RUNNING) for r in ready[:1]]
    assert len(choose(ready[1:], live, limits, agents, frozenset())) == free - 1


def test_10_urgent_first_then_the_repository_served_least_recently(world: World) -> None:
    world.limit(steps=1)
    first = world.start("first", repo="/srv/one")
    busy = world.start("same repository", repo="/srv/one")
    other = world.start("other repository", repo="/srv/two")
    urgent = world.start("urgent", repo="/srv/one", priority=0)
    with world.graph.read() as tx:
        order = [r.id for r in tx.runs.ready()]
    assert world.run(first.id).live
    assert order == [urgent.id, other.id, busy.id]


def test_10_age_lifts_a_run_above_younger_and_more_urgent_ones(world: World) -> None:
    world.limit(steps=1)
    world.start("first")
    old = world.start("old", priority=3)
    world.clock.tick(1900)
    young = world.start("young", priority=1)
    with world.graph.read() as tx:
        assert [r.id for r in tx.runs.ready()] == [old.id, young.id]


def test_10_nothing_is_admitted_that_no_living_worker_can_serve(world: World) -> None:
    world.fire("w1")
    run = world.start()
    assert world.run(run.id).state is RunState.READY
    assert world.bell.messages == []
    world.hire("w2")
    world.sweep("w2").once()
    assert world.run(run.id).state is RunState.QUEUED


def test_10_a_worker_that_serves_half_of_a_segment_is_not_enough(world: World) -> None:
    world.fire("w1")
    world.hire("w2", queues=("loop", "code"))
    run = world.start()
    world.pump("w2")
    now = world.run(run.id)
    assert (now.segment, now.state) == (Segment.TURN, RunState.READY)


def test_10_an_answer_sets_ready_and_admission_dispatches(world: World) -> None:
    world.change(approve="always")
    world.limit(steps=1)
    run = world.start()
    world.pump()
    blocker = world.start("takes the slot")
    world.intake.answer(run.id, "approve", "person:me")
    assert world.run(blocker.id).live
    assert world.run(run.id).state is RunState.READY


def test_10_what_wakes_up_waits_for_a_slot_as_well(world: World) -> None:
    world.limit(turns=1)
    world.known["a"] = world.known["a"].model_copy(update={"fallback": ()})
    world.bench.turns = [Tried(failure=Failure.DISK_FULL)]
    sleeper = world.start("sleeps")
    world.pump()
    assert world.run(sleeper.id).wait is Wait.DISK
    other = world.start("takes the slot", agent="b")
    world.pump_until(other.id, Step.CODE)
    world.clock.tick(3600)
    world.bell.messages.clear()
    world.sweep().once()
    assert world.run(sleeper.id).state is RunState.READY


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


# ---- rule 12: waits


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
