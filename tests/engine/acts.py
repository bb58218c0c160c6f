"""What the tests of the rules do again and again."""

from __future__ import annotations

import json
from typing import Any

from loopy.domain.run import Claim, Run
from loopy.engine import moves
from loopy.engine.claims import claim
from tests.engine.world import World

BRANCH = "refs/heads/loopy/lp-1.1-fix-it"  # where the first run of the first ticket ships to


def take(world: World, run_id: str, worker: str = "w1") -> Claim:
    """Claim the run at its position, as a worker that then hangs."""
    run = world.run(run_id)
    with world.graph.write() as tx:
        held = claim(tx, run_id, run.step, run.epoch, worker, "host")
    assert isinstance(held, Claim)
    return held


def rob(world: World, run_id: str) -> Run:
    """Free the run under its owner's hands."""
    with world.graph.write() as tx:
        row = tx.runs.get(run_id)
        assert row is not None
        return moves.free(tx, row, "robbed", death=False, own_doing=False)


def flag(world: World, run_id: str) -> None:
    """Set the cancel flag alone, as a transaction that knew of no owner to tell."""
    with world.graph.write() as tx:
        row = tx.runs.get(run_id)
        assert row is not None
        tx.runs.move(row, "run.cancel_requested", cancel=True)


def kill_again_and_again(world: World, run_id: str, times: int = 4) -> None:
    """Let one worker after another die of the run, alone."""
    for n in range(times):
        name = f"victim{n}"
        world.hire(name)
        take(world, run_id, name)
        world.gone.add(name)
        world.sweep().once()


def receipt(world: World, run_id: str) -> dict[str, Any]:
    """Return the predicate of the run's receipt."""
    with world.graph.read() as tx:
        row = tx.receipts.of(run_id)
    assert row is not None
    predicate: dict[str, Any] = json.loads(row.statement)["predicate"]
    return predicate
