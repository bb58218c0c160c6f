"""Admission: the graph decides who may go next, in the transaction that frees a slot and in the sweep (rule 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loopy.domain.agent import Agent
from loopy.domain.limits import Limits, choose, room
from loopy.domain.run import Candidate
from loopy.domain.states import remaining
from loopy.engine.graph import Tx
from loopy.engine.moves import Ring, dispatch
from loopy.engine.order import QUEUES
from loopy.ports import Fleet


def served_queues(tx: Tx) -> set[str]:
    """Return the queues that some living worker serves."""
    return {queue for worker in tx.fleet.workers() for queue in worker.queues}


@dataclass(frozen=True, slots=True)
class Admission:
    """Turns `ready` into a dispatch while slots are free and a living worker can serve the whole segment."""

    limits: Limits
    fleet: Fleet

    def admit(self, tx: Tx) -> list[Ring]:
        """Dispatch every ready run that may go; return the doorbells to press after the commit."""
        if not tx.runs.any_ready():
            return []
        live, served = tx.runs.live(), served_queues(tx)
        waiting = tx.runs.ready(room(live, self.limits))
        servable = (c for c in waiting if {QUEUES[s] for s in remaining(c.segment, c.step)} <= served)
        unproven = frozenset(c.account for c in tx.fleet.cooldowns().values() if not c.proven)
        agents: Mapping[str, Agent] = self.fleet.agents()
        chosen = choose(servable, live, self.limits, agents, unproven, tx.now)
        return [_dispatch(tx, candidate) for candidate in chosen]


def _dispatch(tx: Tx, chosen: Candidate) -> Ring:
    run = tx.runs.get(chosen.id)
    assert run is not None
    tx.runs.serve(run.repo)
    return Ring.of(dispatch(tx, run, run.segment, run.step))
