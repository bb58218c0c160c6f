"""Rules 15 and 16: effects and the receipt chain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from loopy.domain import crashpoints
from loopy.domain.errors import StoreError
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.books import ReceiptRow
from tests.engine.acts import BRANCH, receipt
from tests.engine.fakes import a_change
from tests.engine.world import World

# ---- rule 15: effects


def test_15_a_lost_reply_is_looked_up_and_not_pushed_again(world: World) -> None:
    world.forge.lose_reply = True
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_15_what_was_sent_is_read_back_before_it_counts_as_done(world: World) -> None:
    run = world.start()
    world.pump()
    assert (len(world.forge.tried), len(world.forge.asked)) == (1, 1)
    with world.graph.read() as tx:
        assert [e.state.value for e in tx.effects.of(run.id)] == ["done"]


def test_15_the_intent_is_on_record_before_anything_is_sent_and_names_the_commit(world: World) -> None:
    found: list[tuple[str, str, str]] = []

    def note() -> None:
        with world.graph.read() as tx:
            found.extend((e.key, e.state.value, e.commit) for e in tx.effects.of("LP-1.1"))

    world.forge.before_push = note
    run = world.start()
    world.pump()
    assert found == [("LP-1.1/push/0", "intended", world.run(run.id).head)]


@pytest.mark.parametrize("point", ["ship.after_intent", "ship.before_push", "ship.after_push"])
def test_15_a_death_around_the_push_does_not_push_twice(world: World, point: str) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying(point):
        world.deliver()
    world.succeed("w1", "w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_15_what_is_there_is_believed_at_once(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("ship.after_push"):
        world.deliver()
    world.settle_s, before = 1000.0, world.clock.lived
    world.succeed("w1", "w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert world.clock.lived - before < 10


def test_15_an_unreachable_target_is_a_persons_question_and_never_a_guess(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.unreachable = True
    for _ in range(8):
        world.pump()
        world.clock.tick(120)
        world.sweep().once()
    assert (world.run(run.id).state, world.run(run.id).wait) == (RunState.WAITING, Wait.QUESTION)
    world.forge.unreachable = False
    world.intake.resume(run.id, "person:me")
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_15_a_target_that_answers_no_question_is_not_sent_the_same_again(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("ship.after_push"):
        world.deliver()
    world.forge.blind = True
    world.succeed("w1", "w2")
    assert (world.run(run.id).state, len(world.forge.tried)) == (RunState.WAITING, 1)
    world.forge.blind = False
    world.clock.tick(120)
    world.sweep("w2").once()
    world.pump("w2")
    assert (world.run(run.id).verdict, len(world.forge.log)) == (Verdict.PASSED, 1)


def test_15_a_target_that_can_be_read_but_not_written_is_a_persons_question(world: World) -> None:
    world.forge.forbidden, world.settle_s = True, 5.0
    run = world.start()
    for _ in range(8):
        world.pump()
        world.clock.tick(120)
        world.sweep().once()
    assert (world.run(run.id).state, world.run(run.id).wait) == (RunState.WAITING, Wait.QUESTION)
    with world.graph.read() as tx:
        assert "403 forbidden" in tx.runs.attempts(run.id)[-1].detail
    assert len(world.forge.tried) < 20


def test_15_after_a_refusal_the_next_try_takes_the_next_ordinal(world: World) -> None:
    world.bench.rebased = a_change(7)
    world.forge.refs[BRANCH] = "f" * 40
    run = world.start()
    world.pump()
    with world.graph.read() as tx:
        assert [(e.ordinal, e.state.value) for e in tx.effects.of(run.id)] == [(0, "refused"), (1, "done")]


def _after_a_death_at_the_intent(world: World) -> str:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("ship.after_intent"):
        world.deliver()
    world.settle_s = 10.0
    return run.id


def test_15_an_intended_effect_of_another_is_not_believed_absent_before_it_has_settled(world: World) -> None:
    run_id, start = _after_a_death_at_the_intent(world), world.clock.lived
    world.succeed("w1", "w2")
    assert world.run(run_id).verdict is Verdict.PASSED
    assert world.forge.tried[0] - start >= 10.0
    assert world.forge.asked[0] - start < 10.0
    assert len(world.forge.log) == 1


def test_15_the_settle_time_counts_only_what_was_lived_through_awake(world: World) -> None:
    run_id, start = _after_a_death_at_the_intent(world), world.clock.lived

    def slept() -> None:
        world.clock.wall += timedelta(days=1)

    world.forge.before_look = slept
    world.succeed("w1", "w2")
    assert world.run(run_id).verdict is Verdict.PASSED
    assert world.forge.tried[0] - start >= 10.0


def test_15_what_another_put_there_is_not_taken_for_ours(world: World) -> None:
    run_id = _after_a_death_at_the_intent(world)
    world.forge.refs[BRANCH] = "f" * 40
    world.bench.rebased = a_change(7)
    world.succeed("w1", "w2")
    assert world.forge.refs[BRANCH] == "f" * 40
    with world.graph.read() as tx:
        assert [(e.ordinal, e.state.value) for e in tx.effects.of(run_id)] == [(0, "refused"), (1, "done")]


def test_15_intents_and_receipts_survive_a_power_cut(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.graph.written.clear()
    world.deliver()
    # Claim, intent, done (a lost one is looked up again), the end, which takes all before it along; then: published.
    assert world.graph.written == [False, True, False, True, False]
    if world.graph.path is None:
        with world.graph.write() as tx:
            assert tx.connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


# ---- rule 16: the receipt chain


def test_16_a_receipt_that_a_dead_worker_left_is_on_the_disk_before_it_is_published(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("finish.after_commit"):
        world.deliver()
    assert world.run(run.id).state is RunState.ENDED
    world.hire("w2")
    world.clock.tick(60)
    world.graph.written.clear()
    world.published = lambda _run: any(world.graph.written)
    world.sweep("w2").once()
    with world.graph.read() as tx:
        assert not tx.receipts.unpushed()


def test_16_receipts_form_one_chain_without_a_gap(world: World) -> None:
    for n in range(3):
        world.start(f"t{n}")
        world.pump()
    with world.graph.read() as tx:
        rows = [row for n in (1, 2, 3) if (row := tx.receipts.of(f"LP-{n}.1"))]
    assert [r.seq for r in rows] == [1, 2, 3]
    assert [r.previous for r in rows] == ["", rows[0].digest, rows[1].digest]
    assert receipt(world, "LP-3.1")["chain"] == {
        "log": "install",
        "seq": 3,
        "previous": {"sha256": rows[1].digest},
    }


def test_16_a_run_that_ends_in_the_middle_of_another_ones_end_does_not_fork_the_chain(world: World) -> None:
    first, second = world.start("first"), world.start("second")
    world.hire("w2")
    for run in (first, second):
        while world.run(run.id).step is not Step.SHIP or world.run(run.id).state is not RunState.QUEUED:
            at = next(n for n, m in enumerate(world.bell.messages) if m[0] == run.id)
            world.deliver(at=at)
    inside: list[str] = []

    def between(point: str) -> None:
        if point == "finish.before_transaction" and not inside:
            inside.append(point)
            world.deliver("w2")

    crashpoints.install(between)
    try:
        world.deliver("w1")
    finally:
        crashpoints.install(None)
    with world.graph.read() as tx:
        rows = sorted((r.seq, r.run) for n in (1, 2) if (r := tx.receipts.of(f"LP-{n}.1")))
    assert rows == [(1, second.id), (2, first.id)]


def test_16_a_death_at_the_head_leaves_the_run_without_an_end_and_the_chain_whole(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("end.after_head"):
        world.deliver()
    assert world.run(run.id).state is RunState.RUNNING
    with world.graph.read() as tx:
        assert tx.receipts.head() == (0, "")
    world.succeed("w1", "w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_16_a_death_after_the_end_is_committed_publishes_the_receipt_later(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("finish.after_commit"):
        world.deliver()
    assert (run.id, "receipt") not in world.shelf.files
    world.clock.tick(60)
    world.succeed("w1", "w2")
    assert (run.id, "receipt") in world.shelf.files


def test_16_a_receipt_that_could_not_be_pushed_is_pushed_later_and_the_end_stands(world: World) -> None:
    world.published = lambda _run: False
    run = world.start()
    world.pump()
    assert world.run(run.id).state is RunState.ENDED
    with world.graph.read() as tx:
        assert [r.run for r in tx.receipts.unpushed()] == [run.id]
    world.published = lambda _run: True
    world.clock.tick(60)
    world.sweep().once()
    with world.graph.read() as tx:
        assert tx.receipts.unpushed() == []


def test_16_the_store_itself_refuses_a_fork(world: World) -> None:
    world.start("first")
    world.start("second")
    world.pump()
    other = world.start("other")
    with world.graph.read() as tx:
        old, (seq, digest) = tx.receipts.of("LP-1.1"), tx.receipts.head()
    assert old is not None
    link = ReceiptRow(seq + 1, other.id, "PASSED", "d" * 64, digest, b"", b"", b"", world.clock.now())
    for fork in (replace(link, seq=old.seq), replace(link, previous=old.previous), replace(link, run=old.run)):
        with pytest.raises(StoreError, match=r"(?i)unique"), world.graph.write(full=True) as tx:
            tx.receipts.add(fork)
