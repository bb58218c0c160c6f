"""The nineteen rules of the protocol, each by a test that fails when the rule is taken out (see `tests/mutants`)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from loopy.domain.agent import Tried
from loopy.domain.errors import LostError, RefusedError, StoreError
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits
from loopy.domain.outcome import SCHEMA
from loopy.domain.plan import Sized, SizeName
from loopy.domain.run import Claim
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine import moves
from loopy.engine.claims import Superseded, claim, mine
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import LEASE_S
from loopy.engine.takeover import free_dead, free_silent
from loopy.ports import Leash
from loopy.store import schema as s
from tests.engine.world import World, a_change


def take(world: World, run_id: str, worker: str = "w1") -> Claim:
    """Claim the run at its position, as a worker that then hangs."""
    run = world.run(run_id)
    with world.graph.write() as tx:
        held = claim(tx, run_id, run.step, run.epoch, worker, "host")
    assert isinstance(held, Claim)
    return held


# ---- rule 1: dispatch


def test_1_a_dispatch_sets_position_epoch_and_queued_and_then_rings(world: World) -> None:
    run = world.start()
    now = world.run(run.id)
    assert (now.state, now.segment, now.step, now.epoch) == (RunState.QUEUED, Segment.PREPARE, Step.PLAN, 1)
    assert world.bell.messages == [(run.id, 1, ("plan", "size", "route"))]


def test_1_a_lost_ring_leaves_the_run_queued_for_the_sweep(world: World) -> None:
    world.bell.deaf = True
    run = world.start()
    assert world.run(run.id).state is RunState.QUEUED


def test_1_a_move_within_a_segment_keeps_the_epoch(world: World) -> None:
    run = world.start()
    world.deliver()
    assert (world.run(run.id).step, world.run(run.id).epoch) == (Step.SIZE, 1)
    world.pump_until(run.id, Step.CODE)
    assert world.run(run.id).epoch == 2


# ---- rule 2: claim and fence


def test_2_a_claim_matches_state_run_step_epoch_and_owner(world: World) -> None:
    run = world.start()
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, Step.PLAN, 0, "w1", "h"), Superseded)
        assert isinstance(claim(tx, run.id, Step.SIZE, 1, "w1", "h"), Superseded)
        assert isinstance(claim(tx, "LP-1.9", Step.PLAN, 1, "w1", "h"), Superseded)
        assert isinstance(claim(tx, run.id, Step.PLAN, 1, "w1", "h"), Claim)
        assert isinstance(claim(tx, run.id, Step.PLAN, 1, "w2", "h"), Superseded)


def test_2_the_token_grows_at_every_change_of_owner(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.graph.write() as tx:
        freed = moves.free(tx, mine(tx, held), "test", death=True, own_doing=False)
    again = take(world, run.id)
    assert held.token < freed.token < again.token
    with world.graph.write() as tx:
        finished = moves.onward(tx, mine(tx, again), Step.SIZE, token=again.token + 1)
    assert finished.token > again.token


def test_2_a_stale_token_writes_nothing(world: World) -> None:
    run = world.start()
    stale = take(world, run.id)
    with world.graph.write() as tx:
        moves.free(tx, mine(tx, stale), "test", death=True, own_doing=False)
    take(world, run.id)
    with pytest.raises(LostError), world.graph.write() as tx:
        mine(tx, stale)
    with pytest.raises(LostError), world.graph.write() as tx:
        tx.runs.stream(stale, [])
    with world.graph.write() as tx:
        assert tx.runs.beat("w1", [stale]) == {}


def test_2_a_freed_claim_is_stale_before_anybody_takes_it(world: World) -> None:
    run = world.start()
    stale = take(world, run.id)
    with world.graph.write() as tx:
        moves.free(tx, mine(tx, stale), "test", death=True, own_doing=False)
    with pytest.raises(LostError), world.graph.write() as tx:
        mine(tx, stale)


def test_2_a_performer_whose_claim_was_taken_writes_no_outcome(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)

    def robbed(leash: Leash) -> None:
        with world.graph.write() as tx:
            row = tx.runs.get(run.id)
            assert row is not None
            moves.free(tx, row, "robbed", death=False, own_doing=False)

    world.bench.during = robbed
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is None


# ---- rule 3: what a redelivery does to its chain


def test_3_a_delivery_behind_the_position_lets_its_chain_go_on(world: World) -> None:
    run = world.start()
    message = world.bell.messages[0]
    world.deliver()
    world.bell.messages = [message]
    world.deliver()
    assert world.bell.messages == [(run.id, 1, ("size", "route"))]


def test_3_any_other_mismatch_cuts_the_chain(world: World) -> None:
    run = world.start()
    message = world.bell.messages[0]
    world.pump_until(run.id, Step.CODE)
    world.bell.messages = [message]
    world.deliver()
    assert world.bell.messages == []


# ---- rule 4: outcomes are final, tries are attempts


def test_4_an_outcome_is_written_once(world: World) -> None:
    run = world.start()
    outcome = Sized(size=SizeName.SMALL, points=1, reasons=())
    with world.graph.write() as tx:
        tx.runs.add_outcome(replace(run, step=Step.SIZE), outcome)
    with pytest.raises(StoreError), world.graph.write() as tx:
        tx.runs.add_outcome(replace(run, step=Step.SIZE), outcome)


def test_4_a_limit_is_an_attempt_and_never_an_outcome(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.deliver()
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.CODE) is None
        assert [a.failure for a in tx.runs.attempts(run.id)] == [Failure.QUOTA]


def test_4_a_rebase_is_a_turn_from_check(world: World) -> None:
    world.bench.rebased = a_change(7, base="c" * 40)
    world.bench.tip_commit = "b" * 40
    world.forge.refs["refs/heads/loopy/lp-1.1-fix-it"] = "f" * 40
    run = world.start()
    world.pump()
    ended = world.run(run.id)
    assert (ended.verdict, ended.turn, ended.tree) == (Verdict.PASSED, 2, a_change(7).tree)
    assert len(world.bench.agents) == 1
    with world.graph.read() as tx:
        steps = [(turn, step) for turn, step, _ in tx.runs.outcomes(run.id) if step in (Step.CODE, Step.CHECK)]
    assert steps == [(1, Step.CODE), (1, Step.CHECK), (2, Step.CODE), (2, Step.CHECK)]


# ---- rule 5: finish is one transaction


def test_5_outcome_position_and_event_come_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loopy.domain import crashpoints

    run = world.start()

    def broken(point: str) -> None:
        if point == "finish.in_transaction":
            raise LostError("test", "power cut")

    crashpoints.install(broken)
    try:
        world.deliver()
    finally:
        crashpoints.install(None)
    with world.graph.read() as tx:
        assert tx.runs.outcome(run.id, 1, Step.PLAN) is None
    now = world.run(run.id)
    assert (now.state, now.step) == (RunState.RUNNING, Step.PLAN)


def test_5_every_transition_has_its_event_and_the_numbers_have_no_gap(world: World) -> None:
    world.bench.reports = [False, True]
    world.bench.turns = [Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    versions = [e.version for e in world.graph.events(0, run.id, 10_000) if e.version is not None]
    assert versions == list(range(world.run(run.id).version + 1))


def test_5_the_cancel_flag_is_honoured_in_the_finish(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.bench.during = lambda _leash: [world.intake.cancel("LP-1", "tester"), None][1]  # type: ignore[func-returns-value]
    world.deliver()
    now = world.run(run.id)
    assert (now.segment, now.verdict) == (Segment.FINISH, Verdict.ABORTED)


# ---- rule 6: re-ring


def test_6_an_unheard_run_is_rung_again_under_the_same_epoch_and_ever_more_slowly(world: World) -> None:
    world.bell.deaf = True
    run = world.start()
    world.bell.deaf = False
    sweep, rings = world.sweep(), []
    for second in range(30):
        world.clock.tick(1)
        if sweep.once():
            rings.append(second + 1)
    assert {m[1] for m in world.bell.messages} == {1}
    assert world.run(run.id).epoch == 1
    gaps = [b - a for a, b in zip(rings, rings[1:], strict=False)]
    assert len(rings) >= 3
    assert gaps == sorted(gaps)
    assert gaps[-1] > gaps[0]


def test_6_nobody_is_rung_for_a_queue_that_no_living_worker_serves(world: World) -> None:
    run = world.start()
    world.bell.messages.clear()
    with world.graph.write() as tx:
        tx.fleet.close_worker("w1")
    world.hire("w2", queues=("control",))
    world.clock.tick(60)
    world.sweep("w2").once()
    assert world.bell.messages == []
    assert world.run(run.id).rings == 0


def test_6_a_finish_within_the_segment_resets_the_pace(world: World) -> None:
    run = world.start()
    world.bell.messages.clear()
    for _ in range(10):
        world.clock.tick(5)
        world.sweep().once()
    assert world.run(run.id).rings > 1
    world.deliver()
    assert world.run(run.id).rings == 0


# ---- rule 7: two clocks


def test_7_a_dead_owner_is_freed_at_once_however_young_its_lease(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    world.hire("w2")
    world.dead.add("w2")
    world.sweep().once()
    assert (world.run(run.id).state, world.run(run.id).owner) == (RunState.QUEUED, None)


def test_7_a_silent_owner_is_freed_after_a_lease_that_was_watched(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    sweep = world.sweep()
    for _ in range(int(LEASE_S) - 1):
        sweep.once()
        world.clock.tick(1)
    assert world.run(run.id).state is RunState.RUNNING
    for _ in range(3):
        world.clock.tick(1)
        sweep.once()
    assert world.run(run.id).state is RunState.QUEUED


def test_7_a_jump_of_the_wall_clock_steals_nothing(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    sweep = world.sweep()
    sweep.once()
    world.clock.wall += timedelta(days=3650)
    sweep.once()
    assert world.run(run.id).state is RunState.RUNNING


def test_7_a_gap_in_which_the_observer_itself_slept_counts_two_seconds(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    watch = LeaseWatch(world.clock)
    watch.look([world.run(run.id)])
    world.clock.tick(3600)
    assert watch.look([world.run(run.id)]) == []


def test_7_a_beat_resets_the_silence_and_stops_at_the_deadline(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    performer = world.workers["w1"]
    watch = LeaseWatch(world.clock)
    with performer.pulse.leash(held) as leash:
        for _ in range(60):
            world.clock.tick(1)
            performer.pulse.beat()
            assert watch.look([world.run(run.id)]) == []
        leash.deadline = world.clock.awake()
        silent: list[object] = []
        for _ in range(60):
            world.clock.tick(1)
            performer.pulse.beat()
            silent = silent or list(watch.look([world.run(run.id)]))
        assert silent


# ---- rule 8: the sweep


def test_8_the_sweep_wakes_what_is_due_and_admits_it(world: World) -> None:
    world.bench.turns = [Tried(failure=Failure.QUOTA), Tried(failure=Failure.QUOTA)]
    run = world.start()
    world.pump()
    assert world.run(run.id).state is RunState.WAITING
    world.clock.tick(3600)
    world.sweep().once()
    assert world.run(run.id).state is RunState.QUEUED


def test_8_the_sweep_sends_an_unowned_cancelled_run_to_its_end(world: World) -> None:
    run = world.start()
    with world.graph.write() as tx:
        row = tx.runs.get(run.id)
        assert row is not None
        tx.runs.move(row, "run.cancel_requested", cancel=True)  # its transaction knew of no owner to tell
    world.sweep().once()
    assert world.run(run.id).segment is Segment.FINISH


def test_8_the_sweep_publishes_a_receipt_that_was_not(world: World) -> None:
    run = world.start()
    world.pump()
    with world.graph.write() as tx:
        tx.connection.execute(update(s.receipt).values(pushed_at=None))  # type: ignore[attr-defined]  # the test's own hand
    world.clock.tick(60)
    world.sweep().once()
    with world.graph.read() as tx:
        row = tx.receipts.of(run.id)
    assert row is not None
    assert row.pushed_at is not None


# ---- rule 9: only guards act


def test_9_the_runs_lock_is_had_before_anything_acts(world: World) -> None:
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len([c for c in world.cleared if c[0] == run.id]) == 3  # code, check, ship
    tokens = [token for _, token in world.cleared]
    assert tokens == sorted(set(tokens))


def test_9_a_leash_is_authorised_only_while_its_token_is_current(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.workers["w1"].pulse.leash(held) as leash:
        assert leash.authorised()
        with world.graph.write() as tx:
            moves.free(tx, mine(tx, held), "test", death=False, own_doing=False)
        assert not leash.authorised()
        assert leash.stopping() == "lost"


# ---- rule 10: admission


def test_10_slots_are_counted_from_live_rows(world: World) -> None:
    world.limits = Limits(turns=2, repo=9)
    world.intake = type(world.intake)(world.graph, world.admission, world.bell)
    world.hire("w1b")
    runs = [world.start(f"t{n}").id for n in range(4)]
    for _ in range(12):
        world.deliver("w1b")
    live = [r for r in map(world.run, runs) if r.segment is Segment.TURN and r.live]
    ready = [r for r in map(world.run, runs) if r.segment is Segment.TURN and r.state is RunState.READY]
    assert (len(live), len(ready)) == (2, 2)


def test_10_a_freed_slot_goes_to_the_next_in_the_same_transaction(world: World) -> None:
    world.limits = Limits(turns=1)
    world.hire("w1b")
    runs = [world.start(f"t{n}").id for n in range(3)]
    world.pump("w1b")
    assert [world.run(r).verdict for r in runs] == [Verdict.PASSED] * 3


def test_10_urgent_first_then_the_repository_served_least_recently(world: World) -> None:
    world.limits = Limits(steps=1)
    world.intake = type(world.intake)(world.graph, world.admission, world.bell)
    first = world.start("first", repo="/srv/one")
    busy = world.start("same repository", repo="/srv/one")
    other = world.start("other repository", repo="/srv/two")
    urgent = world.start("urgent", repo="/srv/one", priority=0)
    with world.graph.read() as tx:
        order = [r.id for r in tx.runs.ready()]
    assert world.run(first.id).live
    assert order == [urgent.id, other.id, busy.id]


def test_10_age_lifts_a_run_above_younger_and_more_urgent_ones(world: World) -> None:
    world.limits = Limits(steps=1)
    world.intake = type(world.intake)(world.graph, world.admission, world.bell)
    world.start("first")
    old = world.start("old", priority=3)
    world.clock.tick(1900)
    young = world.start("young", priority=1)
    with world.graph.read() as tx:
        assert [r.id for r in tx.runs.ready()] == [old.id, young.id]


def test_10_nothing_is_admitted_that_no_living_worker_can_serve(world: World) -> None:
    with world.graph.write() as tx:
        tx.fleet.close_worker("w1")
    run = world.start()
    assert world.run(run.id).state is RunState.READY
    assert world.bell.messages == []
    world.hire("w2")
    world.sweep("w2").once()
    assert world.run(run.id).state is RunState.QUEUED


def test_10_an_answer_sets_ready_and_admission_dispatches(world: World) -> None:
    world.change(approve="always")
    world.limits = Limits(steps=1)
    world.intake = type(world.intake)(world.graph, world.admission, world.bell)
    run = world.start()
    world.pump()
    blocker = world.start("takes the slot")
    world.intake.answer(run.id, "approve", "person:me")
    assert world.run(blocker.id).live
    assert world.run(run.id).state is RunState.READY


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


def test_11_an_account_cools_for_a_minute_at_least(world: World) -> None:
    soon = world.clock.now() + timedelta(seconds=1)
    world.bench.turns = [Tried(failure=Failure.THROTTLE, resets_at=soon)]
    world.start()
    world.pump()
    with world.graph.read() as tx:
        until = tx.fleet.cooldowns()["a"].until
    assert until - world.clock.now() >= timedelta(seconds=60)


def test_11_two_limited_agents_do_not_play_ping_pong(world: World) -> None:
    from loopy.engine.failover import successor
    from loopy.engine.order import MOVES

    run = replace(world.start(), moves=MOVES, agent="a")
    away = successor(run, Failure.QUOTA, ("a", "b"), world.agents, {}, lambda _a: True, world.clock.now())
    assert away.to_agent == ""
    assert away.wake_at is not None
    assert away.wake_at > world.clock.now()


def test_11_one_probe_run_per_account_until_a_success(world: World) -> None:
    with world.graph.write() as tx:
        tx.fleet.cool("a", world.clock.now(), "quota")
    world.hire("w1b")
    runs = [world.start(f"t{n}").id for n in range(3)]
    for _ in range(9):
        world.deliver("w1b")
    in_turn = [r for r in map(world.run, runs) if r.segment is Segment.TURN]
    assert len(in_turn) == 3
    assert sum(r.live for r in in_turn) == 1
    world.pump("w1b")
    assert all(world.run(r).verdict is Verdict.PASSED for r in runs)


# ---- rule 12: waits


def test_12_a_wait_holds_no_owner_and_no_slot(world: World) -> None:
    world.change(approve="always")
    world.limits = Limits(steps=1)
    world.intake = type(world.intake)(world.graph, world.admission, world.bell)
    world.workers.clear()
    world.hire("w1b")
    run = world.start()
    world.pump("w1b")
    waiting = world.run(run.id)
    assert (waiting.state, waiting.owner, waiting.segment, waiting.step) == (
        RunState.WAITING,
        None,
        Segment.FINISH,
        Step.SHIP,
    )
    other = world.start("other")
    assert world.run(other.id).live


# ---- rule 13: cancel


def test_13_a_cancelled_run_is_claimed_only_in_finish(world: World) -> None:
    run = world.start()
    with world.graph.write() as tx:
        row = tx.runs.get(run.id)
        assert row is not None
        tx.runs.move(row, "run.cancel_requested", cancel=True)
    now = world.run(run.id)
    with world.graph.write() as tx:
        assert isinstance(claim(tx, run.id, now.step, now.epoch, "w1", "h"), Superseded)
    world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.ABORTED


def test_13_cancel_before_the_first_intent_ships_nothing(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.intake.cancel("LP-1", "tester")
    world.pump()
    assert world.run(run.id).verdict is Verdict.ABORTED
    assert world.forge.log == []


def test_13_cancel_after_the_first_intent_does_not_unsay_the_ship(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.before_push = lambda: [world.intake.cancel("LP-1", "tester"), None][1]  # type: ignore[func-returns-value]
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_13_an_owner_sees_the_cancel_at_its_next_beat(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    performer = world.workers["w1"]
    with performer.pulse.leash(held) as leash:
        world.intake.cancel("LP-1", "tester")
        assert world.run(run.id).state is RunState.RUNNING
        performer.pulse.beat()
        assert leash.stopping() == "cancelled"


def test_13_a_freed_run_that_was_cancelled_goes_to_its_end(world: World) -> None:
    run = world.start()
    take(world, run.id, "w2")
    world.intake.cancel("LP-1", "tester")
    free_dead(world.desk("w1"), "w2")
    assert (world.run(run.id).segment, world.run(run.id).verdict) == (Segment.FINISH, Verdict.ABORTED)


# ---- rule 14: approval


def test_14_the_first_answer_wins(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:one")
    with pytest.raises(RefusedError, match="person:one"):
        world.intake.answer(run.id, "reject", "person:two")


def test_14_an_approval_is_bound_to_the_diff_the_plan_and_the_policy(world: World) -> None:
    world.change(approve="always")
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    with world.graph.write() as tx:
        tx.connection.execute(update(s.approval).values(subject="0" * 64))  # type: ignore[attr-defined]  # of another diff
    world.pump()
    assert world.forge.log == []
    assert world.run(run.id).verdict is not Verdict.PASSED


def test_14_an_equal_digest_carries_the_approval_over_a_rebase(world: World) -> None:
    world.change(approve="always")
    world.bench.turns = [a_change(5)]
    world.bench.rebased = replace_base(a_change(5))
    world.forge.refs["refs/heads/loopy/lp-1.1-fix-it"] = "f" * 40
    run = world.start()
    world.pump()
    world.clock.tick(1)
    world.intake.answer(run.id, "approve", "person:me")
    world.clock.tick(1)
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    with world.graph.read() as tx:
        row = tx.receipts.of(run.id)
    assert row is not None
    assert json.loads(row.statement)["predicate"]["approvals"][0]["carried"] is True


def replace_base(change: object) -> object:
    return change.model_copy(update={"base": "b" * 40})  # type: ignore[attr-defined]


def test_14_another_digest_asks_again(world: World) -> None:
    world.change(approve="always")
    world.bench.turns = [a_change(5)]
    world.bench.rebased = a_change(6)
    world.forge.refs["refs/heads/loopy/lp-1.1-fix-it"] = "f" * 40
    run = world.start()
    world.pump()
    world.intake.answer(run.id, "approve", "person:me")
    world.pump()
    assert (world.run(run.id).wait, world.forge.log) == (Wait.APPROVAL, [])


# ---- rule 15: effects


def test_15_a_lost_reply_is_looked_up_and_not_pushed_again(world: World) -> None:
    world.forge.lose_reply = True
    run = world.start()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


def test_15_a_death_between_push_and_record_does_not_push_twice(world: World) -> None:
    from loopy.domain import crashpoints

    class Dead(BaseException):
        pass

    def die(point: str) -> None:
        if point == "ship.after_push":
            raise Dead

    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    crashpoints.install(die)
    with pytest.raises(Dead):
        world.deliver()
    crashpoints.install(None)
    world.hire("w2")
    world.dead.add("w1")
    world.sweep("w2").once()
    world.pump("w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


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


def test_15_after_a_refusal_the_next_try_takes_the_next_ordinal(world: World) -> None:
    world.bench.rebased = a_change(7)
    world.forge.refs["refs/heads/loopy/lp-1.1-fix-it"] = "f" * 40
    run = world.start()
    world.pump()
    with world.graph.read() as tx:
        assert [(e.ordinal, e.state.value) for e in tx.effects.of(run.id)] == [(0, "refused"), (1, "done")]


def test_15_an_intended_effect_of_another_is_not_believed_absent_before_it_has_settled(world: World) -> None:
    from loopy.domain import crashpoints

    class Dead(BaseException):
        pass

    def die(point: str) -> None:
        if point == "ship.after_intent":
            raise Dead

    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    crashpoints.install(die)
    with pytest.raises(Dead):
        world.deliver()
    crashpoints.install(None)
    world.settle_s = 10.0
    world.hire("w2")
    world.dead.add("w1")
    world.sweep("w2").once()
    looks: list[float] = []
    look = world.forge.look

    def counted(effect: object, place: object, leash: Leash) -> str | None:
        looks.append(world.clock.lived)
        world.clock.tick(4)
        return look(effect, place, leash)  # type: ignore[arg-type]

    world.forge.look = counted  # type: ignore[method-assign]  # the forge's own clock
    pushed_at: list[float] = []
    world.forge.before_push = lambda: pushed_at.append(world.clock.lived)
    start = world.clock.lived
    world.pump("w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert pushed_at[0] - start >= 10.0
    assert len(world.forge.log) == 1


# ---- rule 16: the receipt chain


def test_16_receipts_form_one_chain_without_a_gap(world: World) -> None:
    for n in range(3):
        world.start(f"t{n}")
        world.pump()
    with world.graph.read() as tx:
        rows = [tx.receipts.of(f"LP-{n}.1") for n in (1, 2, 3)]
    assert [r.seq for r in rows if r] == [1, 2, 3]
    assert [r.previous for r in rows if r] == ["", rows[0].digest, rows[1].digest]  # type: ignore[union-attr]


def test_16_a_death_at_the_head_leaves_the_run_without_an_end_and_the_chain_whole(world: World) -> None:
    from loopy.domain import crashpoints

    class Dead(BaseException):
        pass

    def die(point: str) -> None:
        if point == "end.after_head":
            raise Dead

    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    crashpoints.install(die)
    with pytest.raises(Dead):
        world.deliver()
    crashpoints.install(None)
    assert world.run(run.id).state is RunState.RUNNING
    with world.graph.read() as tx:
        assert tx.receipts.head() == (0, "")
    world.hire("w2")
    world.dead.add("w1")
    world.sweep("w2").once()
    world.pump("w2")
    assert world.run(run.id).verdict is Verdict.PASSED
    assert len(world.forge.log) == 1


# ---- rule 17: dependencies, budgets


def test_17_a_dependency_is_done_when_its_change_is_in_the_base(world: World) -> None:
    first = world.start("first")
    second = world.start("second", depends_on=("LP-1",))
    assert world.run(second.id).wait is Wait.DEPENDENCY
    world.pump()
    world.clock.tick(60)
    world.sweep().once()
    assert world.run(second.id).wait is Wait.DEPENDENCY  # shipped to a branch, not merged yet
    world.bench.contained.add(world.run(first.id).head)
    world.clock.tick(60)
    world.sweep().once()
    world.sweep().once()
    world.pump()
    assert world.run(second.id).verdict is Verdict.PASSED


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
    for n in range(4):
        name = f"victim{n}"
        world.hire(name)
        take(world, run.id, name)
        world.dead.add(name)
        world.sweep().once()
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


def test_18_suspects_are_readmitted_one_at_a_time(world: World) -> None:
    runs = [world.start(f"t{n}").id for n in range(2)]
    for n in range(2):
        for run_id in runs:
            take(world, run_id, f"victim{n}")
        free_dead(world.desk("w1"), f"victim{n}")
    states = sorted(world.run(r).state for r in runs)
    assert states == [RunState.QUEUED, RunState.READY]


def test_18_a_run_that_kills_in_finish_ends_by_a_bare_receipt(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    for n in range(4):
        name = f"victim{n}"
        world.hire(name)
        take(world, run.id, name)
        world.dead.add(name)
        world.sweep().once()
    assert world.run(run.id).bare
    world.pump()
    assert (world.run(run.id).state, world.run(run.id).verdict) == (RunState.ENDED, Verdict.FAILED)
    assert world.forge.log == []


# ---- rule 19: versions


def test_19_a_journal_of_a_newer_schema_waits_visibly(world: World) -> None:
    run = world.start()
    world.deliver()
    with world.graph.write() as tx:
        tx.connection.execute(update(s.outcome).values(schema=SCHEMA + 1))  # type: ignore[attr-defined]  # a newer Loopy
    world.pump()
    now = world.run(run.id)
    assert (now.state, now.wait, now.owner) == (RunState.WAITING, Wait.VERSION, None)
    assert now.wake_at is not None
    with world.graph.write() as tx:
        tx.connection.execute(update(s.outcome).values(schema=SCHEMA))  # type: ignore[attr-defined]  # the upgrade
    world.clock.tick(600)
    world.sweep().once()
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED


def test_19_rows_carry_the_host_that_claimed_them(world: World) -> None:
    run = world.start()
    take(world, run.id)
    assert world.run(run.id).host == "host"


def test_a_run_freed_for_silence_only_if_it_is_still_as_it_was_seen(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    seen = world.run(run.id)
    with world.graph.write() as tx:
        tx.runs.beat("w1", [held])
    assert free_silent(world.desk("w1"), seen) == []
    assert world.run(run.id).state is RunState.RUNNING
