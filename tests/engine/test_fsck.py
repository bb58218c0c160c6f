"""`fsck` finds nothing in what the engine made, and finds every sort of damage."""

from __future__ import annotations

import pytest
from sqlalchemy import Table, delete, update

from loopy.domain.agent import Tried
from loopy.domain.failures import Failure
from loopy.engine.fsck import fsck
from loopy.store import schema as s
from loopy.store.rows import as_json
from tests.engine.world import World


@pytest.fixture
def ended(world: World) -> World:
    """Three runs: one passed at once, one after a limit and a red check, one refused by a person."""
    world.bench.reports = [True, False, True]
    world.bench.turns = []
    for title in ("first", "second"):
        world.start(title)
        world.pump()
    world.change(approve="always")
    refused = world.start("third")
    world.pump()
    world.intake.answer(refused.id, "reject", "person")
    world.pump()
    return world


def found(world: World) -> set[tuple[int, str]]:
    return {(breach.rule, breach.subject) for breach in fsck(world.graph)}


def damage(world: World, table: Table, run: str, **values: object) -> None:
    with world.graph.write() as tx:
        key = table.c.id if table is s.run else table.c.run
        tx.connection.execute(update(table).where(key == run).values(values))


def test_what_the_engine_made_holds(ended: World) -> None:
    assert found(ended) == set()


def test_what_is_under_way_and_what_waits_holds_too(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    world.change(approve_run=True)
    for title in ("gate", "other"):
        world.start(title)
        world.deliver()
        assert found(world) == set()
    world.pump()
    assert found(world) == set()


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"owner": "w1"}, 2),
        ({"wait": "limit"}, 12),
        ({"ended_at": None}, 13),
        ({"state": "waiting", "wait": "limit", "wake_at": None, "ended_at": None}, 12),
        ({"version": 999}, 5),
        ({"token": 999}, 5),
        ({"turn": 0}, 4),
        ({"head": "f" * 40}, 15),
        ({"segment": "turn"}, 13),
        ({"verdict": "ABORTED"}, 16),
    ],
)
def test_a_row_that_lies_is_found(ended: World, values: dict[str, object], rule: int) -> None:
    damage(ended, s.run, "LP-1.1", **values)
    assert (rule, "LP-1.1") in found(ended)


@pytest.mark.parametrize(("table", "rule"), [(s.event, 5), (s.outcome, 4), (s.effect, 15), (s.receipt, 16)], ids=str)
def test_rows_that_are_gone_are_missed(ended: World, table: Table, rule: int) -> None:
    with ended.graph.write() as tx:
        tx.connection.execute(delete(table).where(table.c.run == "LP-1.1"))
    assert (rule, "LP-1.1") in found(ended)


@pytest.mark.parametrize("name", ["step.claimed", "run.queued"])
def test_an_owner_that_came_or_went_without_a_new_token_is_found(ended: World, name: str) -> None:
    with ended.graph.write() as tx:
        story = list(tx.runs.story("LP-1.1"))
        n = max(n for n, event in enumerate(story) if event.name == name)
        facts = dict(story[n].facts) | {"token": story[n - 1].facts["token"]}
        tx.connection.execute(update(s.event).where(s.event.c.id == story[n].id).values(facts=as_json(facts)))
    assert (2, "LP-1.1") in found(ended)


def test_an_effect_that_is_done_twice_is_found(ended: World) -> None:
    with ended.graph.write() as tx:
        (effect,) = tx.effects.of("LP-1.1")
        row = {name: getattr(effect, name) for name in ("run", "kind", "token", "commit", "target", "ref", "expected")}
        tx.connection.execute(s.effect.insert().values(**row, ordinal=1, state="done", detail="", at=0.0))
    assert (15, "LP-1.1") in found(ended)


def test_effects_that_are_not_numbered_one_by_one_are_found(ended: World) -> None:
    damage(ended, s.effect, "LP-1.1", ordinal=3)
    assert (15, "LP-1.1") in found(ended)


def test_an_epoch_that_went_back_is_found(ended: World) -> None:
    with ended.graph.write() as tx:
        story = list(tx.runs.story("LP-1.1"))
        facts = dict(story[3].facts) | {"epoch": 0}
        tx.connection.execute(update(s.event).where(s.event.c.id == story[3].id).values(facts=as_json(facts)))
    assert (2, "LP-1.1") in found(ended)


def test_a_broken_link_of_the_chain_is_found(ended: World) -> None:
    damage(ended, s.receipt, "LP-2.1", previous="0" * 64)
    assert found(ended) == {(16, "receipt 2")}


def test_a_defect_that_a_step_met_is_told(ended: World) -> None:
    damage(ended, s.attempt, "LP-2.1", failure="internal", detail="KeyError: 'x'")
    with ended.graph.write() as tx:
        run = tx.runs.get("LP-1.1")
        assert run is not None
        tx.runs.add_attempt(run, Tried(failure=Failure.INTERNAL, detail="KeyError: 'x'"))
    assert (4, "LP-1.1") in found(ended)
