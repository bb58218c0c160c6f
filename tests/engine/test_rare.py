"""What happens seldom: lost races, words left at a drain, an agent that is gone, a policy that changed its mind late."""

from __future__ import annotations

import errno
from dataclasses import replace
from datetime import timedelta

import pytest

from loopy.domain.agent import Agent
from loopy.domain.effect import EffectKind, EffectState
from loopy.domain.errors import LostError, RefusedError, StoreError
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.policy import PathRule
from loopy.domain.states import RunState, Step, Verdict
from loopy.engine.publish import publish
from loopy.engine.pulse import Pulse
from tests.engine.acts import rob, take
from tests.engine.world import World
from tests.stack.house import wait_until


def said(world: World, run_id: str) -> list[str]:
    return [e.text for e in world.graph.events(0, run_id, 10_000) if e.version is None]


def test_words_that_an_agent_said_before_its_worker_drained_are_kept(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    world.bench.during = lambda _leash: world.workers["w1"].pulse.draining.set()
    world.deliver()
    assert (world.run(run.id).state, world.run(run.id).step) == (RunState.QUEUED, Step.CODE)
    assert said(world, run.id) == ["hello"]


def test_a_policy_that_was_tightened_after_the_evidence_lets_nothing_out(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.change(paths=(PathRule(deny=("a.py",), why="no more"),))
    world.deliver()
    ended = world.run(run.id)
    assert (ended.verdict, ended.reason) == (Verdict.FAILED, Failure.POLICY_REFUSED)
    assert world.forge.log == []


def test_an_agent_that_is_no_longer_known_is_passed_over_for_the_next(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    del world.known["a"]
    world.pump()
    assert world.run(run.id).verdict is Verdict.PASSED
    assert (world.run(run.id).agent, world.bench.agents) == ("b", ["b"])
    with world.graph.read() as tx:
        assert next(a.failure for a in tx.runs.attempts(run.id)) is Failure.AGENT_MISSING


def test_an_agent_that_is_sick_is_passed_over_for_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.known["a"] = world.known["a"].model_copy(update={"fallback": ("c", "b")})
    world.known["c"] = Agent(name="c", argv=("c",), concurrency=4)
    run = world.start()
    world.pump_until(run.id, Step.CODE)
    del world.known["a"]
    monkeypatch.setattr(world.bench, "health", lambda agent: (agent.name != "c", "1.0"))
    world.pump()
    assert (world.run(run.id).agent, world.run(run.id).verdict) == ("b", Verdict.PASSED)


def test_a_receipt_that_could_not_be_written_is_written_by_a_later_sweep(world: World) -> None:
    run = world.start()

    def refuse(_run: object) -> bool:
        raise OSError(errno.EROFS, "read-only")

    world.published = refuse
    world.pump()
    with world.graph.read() as tx:
        assert [row.run for row in tx.receipts.unpushed()] == [run.id]
    world.published = lambda _run: True
    world.clock.tick(60)
    world.sweep().once()
    with world.graph.read() as tx:
        assert not tx.receipts.unpushed()


def test_of_two_who_settle_an_effect_the_second_is_told(world: World) -> None:
    run = world.start()
    world.pump()
    with world.graph.read() as tx:
        (effect,) = tx.effects.of(run.id, EffectKind.PUSH)
    begun = replace(effect, state=EffectState.INTENDED)
    with pytest.raises(LostError, match="settled by somebody else"), world.graph.write() as tx:
        tx.effects.settle(begun, EffectState.REFUSED, "late")
    with world.graph.read() as tx:
        assert tx.effects.of(run.id)[0].state is EffectState.DONE


def test_a_push_whose_claim_was_lost_or_whose_worker_drains_ends_without_a_word(world: World) -> None:
    run = world.start()
    world.pump_until(run.id, Step.SHIP)
    world.forge.unreachable = True

    def stolen(_leash: object) -> None:
        rob(world, run.id)
        next(iter(world.workers["w1"].pulse._leashes)).lost = True  # as its heart would find

    world.forge.during = stolen
    world.deliver()
    assert world.run(run.id).state is RunState.QUEUED
    world.forge.during = lambda _leash: world.workers["w2"].pulse.draining.set()
    world.hire("w2")
    world.forge.unreachable = False
    world.clock.tick(3600)
    world.sweep("w2").once()
    world.deliver("w2")
    assert world.run(run.id).state is RunState.QUEUED
    world.hire("w3")
    world.clock.tick(3600)
    world.sweep("w3").once()
    world.pump("w3")
    assert len(world.forge.log) == 1
    assert world.run(run.id).verdict is Verdict.PASSED


def test_what_cannot_be_started_is_refused_in_words(world: World) -> None:
    homeless = world.file("Fix it", repo="")
    with pytest.raises(RefusedError, match="names no repository"):
        world.intake.start(homeless.id, "p", "a")
    done = world.file("Done by hand")
    world.intake.close(done.id, "p", "by hand")
    with pytest.raises(RefusedError, match="is closed"):
        world.intake.start(done.id, "p", "a")
    run = world.start("again")
    world.intake.cancel(run.ticket, "p")
    world.intake.cancel(run.ticket, "p")
    assert world.names(run.id).count("run.cancel_requested") == 1


def test_a_ticket_that_is_closed_twice_stays_closed_as_it_was(world: World) -> None:
    ticket = world.file()
    world.intake.close(ticket.id, "one")
    world.clock.tick(60)
    world.intake.close(ticket.id, "two", "once more")
    with world.graph.read() as tx:
        closed, comments = tx.tickets.get(ticket.id), tx.tickets.comments(ticket.id)
    assert closed is not None
    assert (closed.closed_at, [c.text for c in comments]) == (world.clock.now() - timedelta(seconds=60), ["once more"])


def test_a_receipt_is_published_once_and_not_before_its_run_has_ended(world: World) -> None:
    pushed: list[str] = []
    world.published = lambda run: not pushed.append(run.id)  # type: ignore[func-returns-value]  # None, so True
    run, desk = world.start(), world.desk("w1")
    assert not publish(desk, run)
    world.pump()
    assert publish(desk, world.run(run.id))
    assert pushed == [run.id]


def test_a_gate_that_was_opened_for_the_same_change_is_the_same_gate(world: World) -> None:
    run = world.start()
    with world.graph.write() as tx:
        first, again, other = (tx.approvals.open(run, "ship", subject, "may it?") for subject in ("x", "x", "y"))
    assert (again, other.id) == (first, first.id + 1)


def test_an_agent_that_said_nothing_leaves_no_line_in_the_stream(world: World) -> None:
    run = world.start()
    held = take(world, run.id)
    with world.graph.write() as tx:
        tx.runs.stream(held, [])
    assert said(world, run.id) == []


def test_a_change_of_a_ticket_that_is_not_there_and_an_audit_of_nothing_are_refused(world: World) -> None:
    with pytest.raises(RefusedError), world.graph.write() as tx:
        tx.tickets.change("LP-404", closed_at=world.clock.now())
    with pytest.raises(StoreError), world.graph.write() as tx:
        tx.fleet.audit("one", "", "LP-1")


def test_a_heart_that_was_never_started_can_be_stopped(world: World) -> None:
    world.workers["w1"].pulse.stop()


def test_words_are_written_between_two_heartbeats(world: World) -> None:
    held, pulse = take(world, world.start().id), Pulse(world.graph, world.clock, "w1", beat_s=1.0, flush_s=0.005)
    with pulse.leash(held) as leash:
        leash.emit(StreamEvent("agent.message", "word"))
        pulse.start()
        wait_until(lambda: said(world, held.run.id) == ["word"], "the word is on record")
        pulse.stop()
    assert world.run(held.run.id).beat == 0
