"""Taking back what a dead or silent owner held; who is to blame is counted only where it can be known (rules 7, 18)."""

from __future__ import annotations

from loopy.domain.run import Run
from loopy.domain.states import RunState
from loopy.engine.desk import Desk
from loopy.engine.moves import Ring, free


def free_dead(desk: Desk, worker: str) -> list[Ring]:
    """Free every run of a worker whose kernel lock is free, close its row, then remove its file."""
    with desk.graph.write() as tx:
        victims = tx.runs.owned(worker)
        suspects = [r for r in victims if r.suspect]
        for run in victims:
            alone = len(victims) == 1
            likely = suspects == [run] and not run.accused  # the last strike is for a death that it died alone
            free(tx, run, "its worker died", death=True, own_doing=alone or likely)
        tx.fleet.close_worker(worker)
        rings = desk.admission.admit(tx)
        rings += [Ring.of(r) for v in victims if (r := tx.runs.get(v.id)) and r.state is RunState.QUEUED]
    desk.alive.bury(worker)
    return rings


def free_silent(desk: Desk, run: Run) -> list[Ring]:
    """Free a run whose owner was silent for a lease, if it is still just as it was seen."""
    with desk.graph.write() as tx:
        now = tx.runs.get(run.id)
        if now is None or (now.token, now.beat, now.state) != (run.token, run.beat, run.state):
            return []
        freed = free(tx, now, "its worker fell silent", death=False, own_doing=False)
        return [*desk.admission.admit(tx), *([Ring.of(freed)] if freed.state is RunState.QUEUED else [])]
