"""The watch over the store, and the forge that keeps the run's lock: each finds what a worker that lost its claim would do."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loopy.domain.agent import Tried
from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits
from loopy.domain.run import Claim
from loopy.engine import moves
from loopy.engine.pulse import Pulse
from loopy.process import alive
from loopy.store.graph import SqlTx
from tests.chaos.stage import FileForge, Plot, Stage, open_stage
from tests.engine.acts import take
from tests.support.databases import copy_of


@pytest.fixture
def plot(tmp_path: Path, template: Path) -> Plot:
    return Plot(tmp_path, copy_of(template, tmp_path / "loopy.db"), time.monotonic())


def stage(plot: Plot, worker: str) -> Stage:
    made = open_stage(plot, random.Random(0), worker)
    made.hire(worker)
    return made


def rob(thief: Stage, run_id: str) -> None:
    with thief.graph.write() as tx:
        run = tx.runs.get(run_id)
        assert run is not None
        moves.free(tx, run, "its worker fell silent", death=False, own_doing=False)


def an_effect(claim: Claim) -> Effect:
    words = {"commit": "c" * 40, "target": "/srv/target", "ref": "refs/heads/x", "expected": ""}
    push, begun, n = EffectKind.PUSH, EffectState.INTENDED, claim.token
    return Effect(run=claim.run.id, kind=push, ordinal=n, state=begun, token=n, at=claim.run.created_at, **words)


ACTS: dict[str, Callable[[SqlTx, Claim], object]] = {
    "an attempt": lambda tx, claim: tx.runs.add_attempt(claim.run, Tried(failure=Failure.QUOTA)),
    "what a turn cost": lambda tx, claim: tx.runs.spend(claim.run, 5, None),
    "an intent": lambda tx, claim: tx.effects.intend(an_effect(claim)),
}


@pytest.mark.parametrize("what", ACTS)
def test_what_is_written_under_a_token_that_was_lost_is_found(plot: Plot, what: str) -> None:
    old, new = stage(plot, "w1"), stage(plot, "w2")
    run = new.start()
    stale = take(old, run.id, "w1")
    rob(new, run.id)  # w1 holds no kernel lock: it is dead
    current = take(new, run.id, "w2")
    with new.graph.write() as tx:
        ACTS[what](tx, current)
    assert not plot.breaches.exists(), "its owner may"
    with old.graph.write() as tx:
        ACTS[what](tx, stale)
    assert f"w1 wrote {what} of" in plot.breaches.read_text()


def test_a_living_owner_that_is_robbed_within_a_lease_is_found(plot: Plot) -> None:
    old, new = stage(plot, "w1"), stage(plot, "w2")
    held, run = alive.hold(plot.folder / "alive", "w1"), new.start()
    take(old, run.id, "w1")
    rob(new, run.id)
    assert "w2 took LP-1.1 from w1, which lives" in plot.breaches.read_text()
    held.release()


def test_a_forge_lets_nobody_push_whose_token_is_not_current(plot: Plot) -> None:
    old, new = stage(plot, "w1"), stage(plot, "w2")
    run, forge = new.start(), FileForge(plot.folder / "forge.log", random.Random(0))
    stale = take(old, run.id, "w1")
    with Pulse(old.graph, old.clock, "w1").leash(stale) as leash:
        old.clear(run.id, stale.token)
        rob(new, run.id)
        with pytest.raises(LostError):
            forge.push(an_effect(stale), None, leash, 1.0)  # type: ignore[arg-type]  # it needs no workspace
    new.clear(run.id, stale.token + 2)
    with pytest.raises(LostError):
        old.clear(run.id, stale.token)
    assert (forge.landed(), list(forge.unfenced())) == ([], [])


def test_what_lands_for_a_claim_after_a_newer_one_had_the_lock_is_found(tmp_path: Path) -> None:
    forge = FileForge(tmp_path / "forge.log", random.Random(0))
    forge.file.write_text("had LP-1.1 3\nlanded LP-1.1 3 refs/heads/x c1\nhad LP-1.1 5\n")
    assert (list(forge.unfenced()), forge.landed()) == ([], [("LP-1.1", "refs/heads/x", "c1")])
    with forge.file.open("a") as log:
        log.write("landed LP-1.1 3 refs/heads/y c2\n")
    assert list(forge.unfenced()) == ["LP-1.1 landed for token 3, and its lock was had for 5"]


def test_a_run_that_is_let_go_without_a_slot_is_found(plot: Plot) -> None:
    narrow = stage(replace(plot, limits=Limits(steps=1)), "w1")
    first, second = narrow.start("one"), narrow.start("two")
    assert (narrow.run(first.id).live, narrow.run(second.id).live) == (True, False)
    assert not plot.breaches.exists()
    with narrow.graph.write() as tx:
        moves.dispatch(tx, narrow.run(second.id), second.segment, second.step)
    assert "w1 let LP-2.1 go, and so overbooked {'host:steps': 2}" in plot.breaches.read_text()
