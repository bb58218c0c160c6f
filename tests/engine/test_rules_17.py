"""Rule 17: dependencies and budgets."""

from __future__ import annotations

from sqlalchemy import select

from loopy.domain.failures import Failure
from loopy.domain.states import RunState, Step, Verdict, Wait
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
