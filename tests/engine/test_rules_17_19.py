"""Rules 17 to 19: dependencies and budgets, poison, and the versions of the code."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import update

from loopy.domain.failures import Failure
from loopy.domain.outcome import SCHEMA
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.takeover import free_dead
from loopy.store import schema as s
from loopy.store.migrate import migrate
from tests.engine.acts import kill_again_and_again, receipt, take
from tests.engine.world import REPO, World, make_world

# ---- rule 17: dependencies, budgets


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


# ---- rule 18: poison


def test_18_a_run_that_kills_its_worker_again_and_again_ends_with_evidence(world: World) -> None:
    run = world.start()
    kill_again_and_again(world, run.id)
    world.pump()
    assert (world.run(run.id).verdict, world.run(run.id).reason) == (Verdict.FAILED, Failure.WORKER_LOST)
    assert (run.id, "evidence.json") in world.shelf.files


def test_18_those_who_were_only_in_company_are_not_struck(world: World) -> None:
    runs = [world.start(f"t{n}").id for n in range(2)]
    for run_id in runs:
        take(world, run_id, "victim")
    free_dead(world.desk("w1"), "victim")
    assert [world.run(r).strikes for r in runs] == [0, 0]
    assert [world.run(r).deaths for r in runs] == [1, 1]


def test_18_silence_is_nobodys_fault(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    sweep = world.sweep()
    for _ in range(40):
        world.clock.tick(1)
        sweep.once()
    freed = world.run(run.id)
    assert (freed.owner, freed.deaths, freed.strikes) == (None, 0, 0)


def test_18_suspects_are_readmitted_one_at_a_time(world: World) -> None:
    runs = [world.start(f"t{n}").id for n in range(2)]
    for n in range(2):
        for run_id in runs:
            take(world, run_id, f"victim{n}")
        free_dead(world.desk("w1"), f"victim{n}")
    states = sorted(world.run(r).state for r in runs)
    assert states == [RunState.QUEUED, RunState.READY]


def test_18_the_only_suspect_among_the_dead_is_struck_and_the_others_are_not(world: World) -> None:
    suspect, other = world.start("suspect"), world.start("other")
    kill_again_and_again(world, suspect.id, 2)
    before = world.run(suspect.id).strikes
    for run in (suspect, other):
        take(world, run.id, "victim9")
    free_dead(world.desk("w1"), "victim9")
    assert (world.run(suspect.id).strikes, world.run(other.id).strikes) == (before + 1, 0)


def test_18_a_step_that_was_finished_clears_the_suspicion(world: World) -> None:
    run = world.start()
    kill_again_and_again(world, run.id, 3)
    assert world.run(run.id).strikes == 3
    world.pump_until(run.id, Step.SIZE)
    now = world.run(run.id)
    assert (now.deaths, now.strikes) == (0, 0)
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


@pytest.mark.parametrize("step", [Step.EVIDENCE, Step.SHIP])
def test_18_a_run_that_kills_in_finish_ends_by_a_bare_receipt(world: World, step: Step) -> None:
    run = world.start()
    world.pump_until(run.id, step)
    kill_again_and_again(world, run.id)
    assert world.run(run.id).bare
    world.pump()
    assert (world.run(run.id).state, world.run(run.id).verdict) == (RunState.ENDED, Verdict.FAILED)
    assert world.forge.log == []


def test_18_the_bare_receipt_names_the_effects_that_are_still_open(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("ship.before_push"):
        world.deliver()
    world.hire("w2")
    world.sweep("w2").once()
    world.workers["w1"] = world.workers["w2"]
    kill_again_and_again(world, run.id, 3)
    world.pump()
    ended = receipt(world, run.id)
    assert ended["verdict"] == "FAILED"
    assert [(e["kind"], e["key"]) for e in ended["openEffects"]] == [("push", f"{run.id}/push/0")]


# ---- rule 19: versions


def test_19_a_journal_of_a_newer_schema_waits_visibly(world: World) -> None:
    run = world.start()
    world.deliver()
    with world.graph.write() as tx:
        tx.connection.execute(update(s.outcome).values(schema=SCHEMA + 1))  # a newer Loopy
    world.pump()
    now = world.run(run.id)
    assert (now.state, now.wait, now.owner) == (RunState.WAITING, Wait.VERSION, None)
    assert now.wake_at is not None
    with world.graph.write() as tx:
        tx.connection.execute(update(s.outcome).values(schema=SCHEMA))  # the upgrade
    world.clock.tick(600)
    world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_19_rows_carry_the_host_that_claimed_them(world: World) -> None:
    run = world.start()
    take(world, run.id)
    assert world.run(run.id).host == "host"
    with world.graph.read() as tx:
        assert [w.host for w in tx.fleet.workers()] == ["host"]


JOURNALS = Path(__file__).with_name("journals")


@pytest.mark.parametrize("release", sorted(p.stem for p in JOURNALS.glob("*.sql")))
def test_19_the_journals_of_every_release_resume(tmp_path: Path, release: str) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path)
    connection.executescript((JOURNALS / f"{release}.sql").read_text(encoding="utf-8"))
    connection.close()
    migrate(f"sqlite:///{path}", path)
    world = make_world(tmp_path / "loopy.db", path)
    world.clock.tick(86_400)
    world.gone.add("w1")  # the worker of that release died with its process
    world.hire("w2")
    world.sweep("w2").once()
    world.pump("w2")
    verdicts = {f"LP-{n}.1": world.run(f"LP-{n}.1").verdict for n in range(1, 5)}
    world.graph.close()
    assert verdicts == {
        "LP-1.1": Verdict.PASSED,  # had shipped
        "LP-2.1": Verdict.PASSED,  # was in its second turn
        "LP-3.1": Verdict.PASSED,  # had moved to the next agent
        "LP-4.1": Verdict.PASSED,  # had intended to push
    }
    assert len(world.forge.log) == 3
