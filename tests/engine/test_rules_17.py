"""Rule 17: dependencies and budgets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import select

from loopy.domain.failures import Failure
from loopy.domain.policy import Policy
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.spending import left
from loopy.ports import Leash
from loopy.store import schema
from tests.engine.acts import rob
from tests.engine.world import REPO, World


def look(world: World) -> None:
    """Let the seldom part of the sweep look, and admit what it lets go."""
    world.clock.tick(60)
    world.sweep().once()
    world.sweep().once()
    world.pump()


def test_17_a_dependency_is_done_when_its_change_is_in_the_base(world: World) -> None:
    first = world.start("first")
    second = world.start("second", depends_on=("LP-1",))
    assert world.run(second.id).wait is Wait.DEPENDENCY
    world.pump()
    look(world)
    assert world.run(second.id).wait is Wait.DEPENDENCY  # shipped to a branch, not merged yet
    world.bench.contained.add(world.run(first.id).head)
    look(world)
    assert world.run(second.id).verdict is Verdict.PASSED


def test_17_a_failed_dependency_keeps_the_dependent_waiting(world: World) -> None:
    world.change(turns=1)
    world.bench.reports = [False]
    first = world.start("first")
    second = world.start("second", depends_on=("LP-1",))
    world.pump()
    look(world)
    assert world.run(first.id).verdict is Verdict.FAILED
    assert (world.run(second.id).state, world.run(second.id).wait) == (RunState.WAITING, Wait.DEPENDENCY)


def test_17_every_dependency_must_be_done(world: World) -> None:
    first, other = world.start("first"), world.start("other")
    third = world.start("third", depends_on=("LP-1", "LP-2"))
    world.pump()
    world.bench.contained.add(world.run(first.id).head)
    look(world)
    assert world.run(third.id).wait is Wait.DEPENDENCY
    world.bench.contained.add(world.run(other.id).head)
    look(world)
    assert world.run(third.id).verdict is Verdict.PASSED


def test_17_a_dependency_done_by_hand_and_one_in_another_repository_count(world: World) -> None:
    world.file("done by a person", "person:me")
    world.intake.close("LP-1", "person:me")
    elsewhere = world.start("elsewhere", repo="/srv/other")
    third = world.start("third", depends_on=("LP-1", elsewhere.ticket))
    assert world.run(third.id).repo == REPO
    world.pump()
    look(world)
    assert world.run(third.id).verdict is Verdict.PASSED


def test_17_a_turn_reserves_its_share_of_the_budget_before_it_starts(world: World) -> None:
    world.change(budget_micros=100, turns=1)
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    with world.graph.write() as tx:
        row = tx.runs.get(run.id)
        assert row is not None
        tx.runs.spend(row, 50, None)
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).reason) == (Verdict.FAILED, Failure.BUDGET)
    assert world.bench.agents == []


def spent(world: World, run_id: str) -> list[tuple[int, bool]]:
    with world.graph.read() as tx:
        rows = select(schema.spend.c.micros, schema.spend.c.settled).where(schema.spend.c.run == run_id)
        return [(micros, settled) for micros, settled in tx.connection.execute(rows)]


def test_17_a_turn_settles_what_it_cost_with_its_result(world: World) -> None:
    world.change(budget_micros=100)
    world.bench.cost_micros = 7
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.deliver()
    assert spent(world, run.id) == [(7, True)]


def test_17_a_turn_whose_claim_was_lost_keeps_its_reserve(world: World) -> None:
    world.change(budget_micros=100)
    world.bench.cost_micros = 7
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def robbed(_leash: Leash) -> None:
        rob(world, run.id)

    world.bench.during = robbed
    world.deliver()
    assert spent(world, run.id) == [(25, False)]


def test_17_a_ticket_has_one_budget_for_all_its_runs(world: World) -> None:
    world.change(ticket_budget_micros=10)
    world.bench.cost_micros, world.bench.reports = 6, [False]
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED  # two turns, 12 in all: the second began below the budget
    again = world.intake.retry(run.ticket, "person:me")
    world.pump()
    assert (world.run(again.id).verdict, world.run(again.id).reason) == (Verdict.FAILED, Failure.BUDGET)


def test_17_the_budget_of_a_day_is_a_limit_until_midnight(world: World) -> None:
    world.known["a"] = world.known["a"].model_copy(update={"day_budget_micros": 10})
    world.bench.cost_micros = 10
    first = world.start("first")
    world.pump()
    assert world.run(first.id).agent == "a"
    second = world.start("second")
    world.pump()
    assert (world.run(second.id).verdict, world.run(second.id).agent) == (Verdict.PASSED, "b")
    with world.graph.read() as tx:
        until = tx.fleet.cooldowns()["a"].until
    midnight = world.clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert midnight <= until <= midnight + timedelta(minutes=2)
    world.clock.tick((until - world.clock.now()).total_seconds() + 1)
    third = world.start("third")
    world.pump()
    assert world.run(third.id).agent == "a"


def test_17_the_day_of_the_whole_host_has_a_budget_too(world: World) -> None:
    world.limit(day_budget_micros=10)
    world.bench.cost_micros = 10
    world.start("first")
    world.pump()
    second = world.start("second")
    world.pump()
    assert world.run(second.id).wait is Wait.LIMIT


def test_17_a_turn_is_told_what_it_may_still_cost(world: World) -> None:
    world.change(budget_micros=100, ticket_budget_micros=1000, turns=4)
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    with world.graph.write() as tx:
        row = tx.runs.get(run.id)
        assert row is not None
        tx.runs.spend(row, 0, 30)
        tx.runs.spend(replace(row, token=row.token + 1), 25, None)  # this turn's own share
    assert left(world.desk("w1"), row, world.law) == 70
    assert left(world.desk("w1"), row, Policy(ticket_budget_micros=60)) == 5
    assert left(world.desk("w1"), row, Policy(ticket_budget_micros=10)) == 0
    assert left(world.desk("w1"), row, Policy()) is None
