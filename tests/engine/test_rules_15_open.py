"""Rule 15, open effects: what nobody can tell is on record and asked of a person; no call outlives its claim's lease."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loopy.bootstrap.desk import REMOTE_SETTLE_S
from loopy.domain.effect import Effect, EffectState
from loopy.domain.errors import AwayError, StoreError
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.effects import CALL_S
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import LEASE_S, MARGIN_S, acting_s
from loopy.ports import Leash
from loopy.store.graph import SqlTx
from tests.engine.acts import receipt, rob, take
from tests.engine.world import World


def effect_of(world: World, run_id: str) -> Effect:
    with world.graph.read() as tx:
        (effect,) = tx.effects.of(run_id)
    return effect


def blinded(world: World) -> str:
    """Return a run that pushed to a target which took it, lost the reply, and answers no question since."""
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.lose_reply = world.forge.blind = True
    world.deliver()
    return run.id


def until_asked(world: World) -> None:
    """Let the run look again by itself, as often as it does."""
    for _ in range(8):
        world.clock.tick(120)
        world.sweep().once()
        world.pump()


def test_15_a_push_that_nobody_can_tell_of_is_unknown_on_record_and_said_so(world: World) -> None:
    run_id = blinded(world)
    effect, now = effect_of(world, run_id), world.run(run_id)
    assert effect.state is EffectState.UNKNOWN
    assert (now.state, now.wait) == (RunState.WAITING, Wait.BACKOFF)
    said = world.graph.events(0, run_id, 1000)[-1].text
    assert f"nobody can say whether {effect.commit[:12]} arrived at loopy/lp-1.1-fix-it of /srv/target" in said
    assert effect.detail in said


def test_15_an_unknown_push_becomes_a_persons_question_and_is_never_sent_blindly(world: World) -> None:
    run_id = blinded(world)
    until_asked(world)
    assert (world.run(run_id).state, world.run(run_id).wait) == (RunState.WAITING, Wait.QUESTION)
    world.intake.resume(run_id, "person:me")
    world.pump()
    assert (world.run(run_id).wait, effect_of(world, run_id).state) == (Wait.QUESTION, EffectState.UNKNOWN)
    assert len(world.forge.tried) == 1
    world.forge.blind = False
    world.intake.resume(run_id, "person:me")
    world.pump()
    assert (world.run(run_id).verdict, effect_of(world, run_id).state) == (Verdict.PASSED, EffectState.DONE)
    assert (len(world.forge.tried), len(world.forge.log)) == (1, 1)


def test_15_an_unknown_push_that_did_not_arrive_is_sent_again_once_a_look_can_tell(world: World) -> None:
    run_id = blinded(world)
    world.forge.refs.clear()  # it was lost on the way
    world.forge.lose_reply = world.forge.blind = False
    until_asked(world)
    assert (world.run(run_id).verdict, effect_of(world, run_id).state) == (Verdict.PASSED, EffectState.DONE)
    assert len(world.forge.tried) == 2


def test_15_a_run_that_is_given_up_says_what_nobody_knows(world: World) -> None:
    run_id = blinded(world)
    until_asked(world)
    world.intake.resume(run_id, "person:me", give_up=True)
    world.pump()
    effect, said = effect_of(world, run_id), receipt(world, run_id)
    assert (said["verdict"], said["reason"]) == ("FAILED", "given up")
    (named,) = said["openEffects"]
    assert (named["state"], named["ref"]) == ("unknown", effect.ref)
    assert named["digest"] == {"gitCommit": effect.commit}
    assert len(world.forge.tried) == 1


def test_15_what_was_done_and_read_back_has_shipped_whatever_the_policy_says_by_now(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    with world.dying("finish.before_transaction"):
        world.deliver()
    world.change(sandbox="full")  # this very change would be refused today
    world.succeed("w1", "w2")
    assert (world.run(run.id).verdict, world.run(run.id).head) == (Verdict.PASSED, world.forge.log[0][2])


# ---- the lease of a call


def test_15_the_claim_is_renewed_with_the_intent_so_that_a_call_has_a_whole_lease_before_it(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    watch, silent = LeaseWatch(world.clock), []

    def pass_time(seconds: int) -> None:
        for _ in range(seconds):
            world.clock.tick(1)
            with world.graph.read() as tx:
                silent.extend(watch.look(tx.runs.by_state(RunState.RUNNING)))

    world.bench.committing = lambda: pass_time(20)  # a slow disk, and a heart that does not beat
    world.forge.before_push = lambda: pass_time(20)
    world.deliver()
    assert silent == []
    assert world.run(run.id).verdict is Verdict.PASSED


def _pushing(world: World) -> str:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    return run.id


def test_15_a_call_whose_claim_is_not_kept_alive_is_ended_before_its_lease(world: World) -> None:
    run_id, said = _pushing(world), []

    def without_a_heart(leash: Leash) -> None:
        for _ in range(30):
            world.clock.tick(1)
            said.append((leash.stopping(), leash.authorised()))

    world.forge.during = without_a_heart
    world.deliver()
    may_go_on = int(LEASE_S - MARGIN_S) - 1
    assert said == [(None, True)] * may_go_on + [("lost", False)] * (30 - may_go_on)
    assert (world.forge.log, effect_of(world, run_id).state) == ([], EffectState.INTENDED)
    world.forge.during = lambda _leash: None
    world.succeed("w1", "w2")
    assert (world.run(run_id).verdict, len(world.forge.log)) == (Verdict.PASSED, 1)


def test_15_a_ship_that_its_tether_stops_gives_its_claim_back_at_once(world: World) -> None:
    run_id = _pushing(world)
    world.forge.during = lambda _leash: world.clock.tick(LEASE_S)
    world.deliver()
    world.forge.during = lambda _leash: None
    now = world.run(run_id)
    assert (now.state, now.step, now.owner, now.deaths) == (RunState.QUEUED, Step.SHIP, None, 0)
    assert f"no heartbeat of {run_id} was seen" in world.graph.events(0, run_id, 1000)[-1].text
    world.sweep().once()  # a first look: no lease has passed in its eyes
    world.pump()
    assert (world.run(run_id).verdict, len(world.forge.log)) == (Verdict.PASSED, 1)


def test_15_what_a_stopped_call_has_done_all_the_same_is_found_and_not_done_again(world: World) -> None:
    run_id = _pushing(world)

    def arrives_late(_leash: Leash) -> None:
        world.clock.tick(LEASE_S)
        effect = effect_of(world, run_id)
        world.forge.refs[effect.ref] = effect.commit

    world.forge.during = arrives_late
    world.deliver()
    world.sweep().once()
    world.pump()
    assert (world.run(run_id).verdict, effect_of(world, run_id).state) == (Verdict.PASSED, EffectState.DONE)
    assert len(world.forge.tried) == 1


def test_15_a_ship_whose_claim_was_taken_gives_nothing_back(world: World) -> None:
    run_id = _pushing(world)
    world.hire("w2")

    def robbed(_leash: Leash) -> None:
        world.clock.tick(LEASE_S)
        rob(world, run_id)
        take(world, run_id, "w2")

    world.forge.during = robbed
    world.deliver()
    now = world.run(run_id)
    assert (now.state, now.owner) == (RunState.RUNNING, "w2")
    assert world.names(run_id)[-1] == "step.claimed"


def test_15_a_ship_that_cannot_give_its_claim_back_tries_as_long_as_it_is_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = _pushing(world)
    write, locked = world.graph.write, [AwayError("work graph", "database is locked")] * 3

    @contextmanager
    def sometimes(*, full: bool = False) -> Iterator[SqlTx]:
        if locked and world.forge.tried:
            raise locked.pop()
        with write(full=full) as tx:
            yield tx

    monkeypatch.setattr(world.graph, "write", sometimes)
    world.forge.during = lambda _leash: world.clock.tick(LEASE_S)
    world.deliver()
    assert (locked, world.run(run_id).state) == ([], RunState.QUEUED)


def test_15_a_call_may_take_longer_than_a_lease_while_heartbeats_prolong_it(world: World) -> None:
    run_id, said = _pushing(world), []

    def with_a_heart(leash: Leash) -> None:
        for _ in range(int(CALL_S)):
            world.clock.tick(1)
            world.workers["w1"].pulse.beat()
            said.append((leash.stopping(), leash.authorised()))

    world.forge.during = with_a_heart
    world.deliver()
    assert set(said) == {(None, True)}
    assert world.run(run_id).verdict is Verdict.PASSED


def test_15_a_graph_that_cannot_be_read_prolongs_no_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _pushing(world)
    said = []

    def locked(leash: Leash) -> None:
        def fails() -> None:
            raise StoreError("work graph", "locked")

        with monkeypatch.context() as broken:
            broken.setattr(world.graph, "read", fails)
            for _ in range(30):
                world.clock.tick(1)
                said.append(leash.stopping())

    world.forge.during = locked
    world.deliver()
    assert (said[0], said[-1]) == (None, "lost")


def test_15_a_shorter_lease_ends_a_call_earlier_and_leaves_time_to_end_it() -> None:
    assert [acting_s(lease) for lease in (30, 10, 2)] == [24, 4, 0.5]


def test_15_an_absence_is_believed_only_after_a_call_of_another_must_have_run_out() -> None:
    assert REMOTE_SETTLE_S > CALL_S
