"""Rule 10: admission."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from loopy.domain.agent import Agent, Tried
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits, choose
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import RunId, Ticket, TicketId
from tests.engine.acts import take
from tests.engine.world import REPO, World


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
    world.clock.tick(1)  # whoever asked before goes first
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
    now = world.clock.now()
    assert len(choose(ready, [], limits, agents, frozenset(), now)) == free
    live = [replace(r, state=RunState.RUNNING) for r in ready[:1]]
    assert len(choose(ready[1:], live, limits, agents, frozenset(), now)) == free - 1


def test_10_urgent_first_then_the_repository_served_least_recently(world: World) -> None:
    world.limit(steps=1)
    first = world.start("first", repo="/srv/one")
    busy = world.start("same repository", repo="/srv/one")
    other = world.start("other repository", repo="/srv/two")
    urgent = world.start("urgent", repo="/srv/one", priority=0)
    with world.graph.read() as tx:
        order = [r.id for r in tx.runs.ready(dict.fromkeys(Segment, 64))]
    assert world.run(first.id).live
    assert order == [urgent.id, other.id, busy.id]


def test_10_age_lifts_a_run_above_younger_and_more_urgent_ones(world: World) -> None:
    world.limit(steps=1)
    world.start("first")
    old = world.start("old", priority=3)
    world.clock.tick(1900)
    young = world.start("young", priority=1)
    with world.graph.read() as tx:
        assert [r.id for r in tx.runs.ready(dict.fromkeys(Segment, 64))] == [old.id, young.id]


def test_10_a_run_that_wants_two_slots_is_not_passed_by_turns_for_ever(world: World) -> None:
    agents = {n: Agent(name=n, argv=(n,), concurrency=1) for n in ("a", "b")}
    turn = replace(world.start(), segment=Segment.TURN, step=Step.CODE, state=RunState.READY)
    both, of_a, of_b = (
        replace(turn, id=RunId(i), agent=n, account=n, repo=r)
        for i, n, r in (("LP-1.1", "a", "/srv/one"), ("LP-2.1", "a", "/srv/two"), ("LP-3.1", "b", "/srv/one"))
    )
    busy, limits, now = [replace(of_b, id=RunId("LP-4.1"))], Limits(repo=1), world.clock.now()
    assert choose([both, of_a], busy, limits, agents, frozenset(), now) == [of_a]  # young: nothing is kept idle
    now += timedelta(hours=1)
    both, behind = replace(both, ready_at=world.clock.now()), [of_a, of_b]
    assert choose([both, *behind], busy, limits, agents, frozenset(), now) == []
    assert choose([both, *behind], [], limits, agents, frozenset(), now) == [both]


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


def test_10_a_crowd_before_a_full_slot_hides_nobody_behind_it(world: World) -> None:
    """The store looks at a bounded number of ready runs; those in front may all wait for the same agent."""
    world.known["a"] = world.known["a"].model_copy(update={"concurrency": 1})
    world.limit(turns=2, repo=2)
    first = world.start("first")
    world.pump_until(first.id, Step.CODE)
    ready = replace(world.run(first.id), segment=Segment.TURN, step=Step.CODE, state=RunState.READY, priority=0)
    crowd, late = [ready] * 100, replace(ready, agent="b", account="b")
    with world.graph.write() as tx:
        for n, run in enumerate([*crowd, late]):
            ticket = tx.tickets.add(Ticket(id=TicketId(""), title=f"t{n}", repo=REPO, created_at=world.clock.now()))
            late = tx.runs.add(replace(run, id=tx.runs.next_id(ticket.id), ticket=ticket.id))
    world.sweep().once()
    assert world.run(late.id).live
