"""Rules 18 and 19: poison, and the versions of the code."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import update

from loopy.domain.failures import Failure
from loopy.domain.outcome import SCHEMA
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine import moves
from loopy.engine.takeover import free_dead
from loopy.store import schema as s
from loopy.store.migrate import migrate
from tests.engine.acts import kill_again_and_again, receipt, take
from tests.engine.world import World, make_world

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


def test_18_nobody_is_ended_for_a_death_in_company(world: World) -> None:
    accused = world.start("accused")
    kill_again_and_again(world, accused.id, 3)
    other = world.start("other")
    with world.graph.write() as tx:
        row = tx.runs.get(other.id)
        assert row is not None
        moves.dispatch(tx, row, row.segment, row.step)  # it was live already
    for run in (accused, other):
        take(world, run.id, "victim9")
    free_dead(world.desk("w1"), "victim9")
    now = world.run(accused.id)
    assert (now.strikes, now.segment, now.verdict) == (3, Segment.PREPARE, None)


def test_18_who_is_one_death_from_its_end_runs_alone(world: World) -> None:
    before, accused = world.start("before"), world.start("accused")
    kill_again_and_again(world, accused.id, 3)
    world.clock.tick(1)
    behind = world.start("behind")
    states = [world.run(r.id).state for r in (before, accused, behind)]
    assert states == [RunState.QUEUED, RunState.READY, RunState.READY]
    while world.run(before.id).state is not RunState.READY:  # to the end of its segment
        world.deliver(at=next(n for n, message in enumerate(world.bell.messages) if message[0] == before.id))
    states = [world.run(r.id).state for r in (before, accused, behind)]
    assert states == [RunState.READY, RunState.QUEUED, RunState.READY]
    late = world.start("late")
    assert world.run(late.id).state is RunState.READY
    world.pump()
    assert {world.run(r.id).verdict for r in (before, accused, behind, late)} == {Verdict.PASSED}


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
    with world.graph.read() as tx:
        (effect,) = tx.effects.of(run.id)
    assert ended["openEffects"] == [
        {
            "kind": "push",
            "ordinal": 0,
            "state": "intended",
            "key": f"{run.id}/push/0",
            "ref": effect.ref,
            "digest": {"gitCommit": effect.commit},
        }
    ]


def _done_but_not_ended(world: World) -> str:
    """Return a run that has pushed, and whose worker died before it could say so."""
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("finish.before_transaction"):
        world.deliver()
    world.hire("w2")
    world.sweep("w2").once()
    world.workers["w1"] = world.workers["w2"]
    return run.id


def test_18_a_bare_end_does_not_lose_a_push_that_was_read_back(world: World) -> None:
    run_id = _done_but_not_ended(world)
    kill_again_and_again(world, run_id, 3)
    assert world.run(run_id).bare
    opened = len(world.bench.opened)
    world.pump()
    ((_, ref, commit),) = world.forge.log
    ended, said = world.run(run_id), receipt(world, run_id)
    assert (ended.verdict, ended.head, ended.reason) == (Verdict.PASSED, commit, "")
    assert (said["verdict"], said["openEffects"]) == ("PASSED", [])
    assert said["repo"]["target"] == {"ref": ref, "readBack": {"gitCommit": commit}}
    assert len(world.bench.opened) == opened  # it did nothing that could kill once more
    with world.graph.read() as tx:
        row = tx.receipts.of(run_id)
    assert row is not None
    assert json.loads(row.statement)["subject"][0] == {"name": "commit", "digest": {"gitCommit": commit}}


def test_18_a_run_that_a_person_gives_up_still_states_the_push_that_was_done(world: World) -> None:
    run_id = _done_but_not_ended(world)
    world.shelf.full = True
    world.deliver()
    assert world.run(run_id).wait is Wait.DISK
    world.intake.resume(run_id, "person:me", give_up=True)
    world.shelf.full = False
    world.pump()
    ((_, ref, commit),) = world.forge.log
    ended, said = world.run(run_id), receipt(world, run_id)
    assert (ended.verdict, ended.reason, ended.head) == (Verdict.FAILED, "given up", commit)
    assert said["repo"]["target"] == {"ref": ref, "readBack": {"gitCommit": commit}}


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
