"""What must hold: after every transaction, and when everything has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from loopy.domain.agent import Agent
from loopy.domain.effect import Effect, EffectState
from loopy.domain.limits import Limits, slots
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict
from loopy.engine.fsck import fsck, shape
from loopy.engine.graph import Graph
from tests.simulation.rows import Rows

WIDE = ("host:", "agent:", "repo:")  # an account narrows when it meets a limit, so who is on it already may be too many


class InvariantError(AssertionError):
    """An invariant does not hold."""


def must(holds: object, what: str) -> None:
    if not holds:
        raise InvariantError(what)


def after_commit(before: Rows, now: Rows, limits: Limits, agents: Mapping[str, Agent], writer: str = "") -> None:
    """Check one transaction: what it changed, who changed it, and the slots after it."""
    for run_id, turn, step in now.outcomes.keys() - before.outcomes.keys():
        owner = before.runs[run_id].owner if run_id in before.runs else None
        must(owner in (None, writer), f"{writer} wrote {step} of turn {turn} of {run_id}, which is {owner}'s by now")
    for run in (r for i, r in now.runs.items() if before.runs.get(i) is not r):
        must(not (odd := list(shape(run))), "; ".join(f"{b.subject} {b.what}" for b in odd))
        if (old := before.runs.get(run.id)) is not None:
            _a_change(old, run)
    gone = [key for key, outcome in before.outcomes.items() if now.outcomes.get(key) is not outcome]
    must(not gone, f"an outcome was changed: {gone}")
    used = Counter(k for r in now.runs.values() if r.live for k in slots(r, limits, agents, frozenset()))
    wide = {k: n for r in now.runs.values() if r.live for k, n in slots(r, limits, agents, frozenset()).items()}
    over = {k: used[k] for k in used if k.startswith(WIDE) and used[k] > wide[k]}
    must(not over, f"overbooked: {over}")


def _a_change(old: Run, run: Run) -> None:
    must(old.state is not RunState.ENDED, f"{run.id} was ended and moved on")
    must(run.token >= old.token and run.epoch >= old.epoch, f"{run.id}: token or epoch went back")
    must(run.version >= old.version, f"{run.id}: its version went back")
    if old.owner != run.owner:
        must(run.token > old.token, f"{run.id}: a new owner, the same token")


def at_rest(graph: Graph, runs: Sequence[Run], landed: Sequence[tuple[str, str, str]]) -> None:
    """Check the end of everything: nothing is in breach, every run has ended, and what landed is what is on record."""
    breaches = list(fsck(graph))
    must(not breaches, "; ".join(f"rule {b.rule}: {b.subject} {b.what}" for b in breaches))
    for run in runs:
        must(run.state is RunState.ENDED, f"{run.id} never ended: {run.state} {run.wait} at {run.step}")
        with graph.read() as tx:
            effects = tx.effects.of(run.id)
        referee(run, effects, [commit for of, _, commit in landed if of == run.id])


def referee(run: Run, effects: Sequence[Effect], landed: Sequence[str]) -> None:
    """Compare what a run has on record with what the other side saw."""
    must(len(landed) <= 1, f"{run.id} landed {len(landed)} times")
    if run.verdict is Verdict.PASSED:
        must(list(landed) == [run.head], f"{run.id} PASSED with head {run.head or 'none'}, and {landed} landed")
    told = [e for e in effects if e.state is not EffectState.REFUSED]
    must({e.commit for e in told} >= set(landed), f"{run.id}: what landed is nowhere on record")
    done = {e.commit for e in effects if e.state is EffectState.DONE}
    must(done <= set(landed), f"{run.id}: an effect is done that never landed")
