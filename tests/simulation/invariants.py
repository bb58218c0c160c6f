"""What must hold: after every transaction, and when everything has come to rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loopy.domain.agent import Agent
from loopy.domain.effect import Effect, EffectState
from loopy.domain.failures import Failure
from loopy.domain.limits import Limits, slots
from loopy.domain.run import Candidate, Run
from loopy.domain.states import RunState, Segment, Verdict
from loopy.engine.fsck import fsck, shape
from loopy.engine.graph import Graph
from tests.simulation.rows import Rows

WIDE = ("host:", "agent:", "repo:")  # an account narrows when it meets a limit, so who is on it already may be too many


class InvariantError(AssertionError):
    """An invariant does not hold."""


def must(holds: object, what: str) -> None:
    if not holds:
        raise InvariantError(what)


Message = tuple[str, int, tuple[str, ...]]  # run, epoch, this step and those after it


@dataclass(eq=False)
class Delivery:
    """A message in somebody's hands, and what came of it."""

    message: Message
    granted: bool = False
    seen: Run | None = None  # the run's row, as the last transaction for this message left it

    @property
    def ticket(self) -> str:
        return self.message[0].rpartition(".")[0]

    @property
    def step(self) -> str:
        return self.message[2][0]


@dataclass(frozen=True)
class Writer:
    """Who commits: a process or a person, and the message it was woken by, if it was."""

    name: str = ""
    delivery: Delivery | None = None


def after_commit(before: Rows, now: Rows, limits: Limits, agents: Mapping[str, Agent], writer: Writer) -> None:
    """Check one transaction: what it changed, who changed it, and the slots after it."""
    _fenced(before, now, writer.name)
    for run in (r for i, r in now.runs.items() if before.runs.get(i) is not r):
        must(not (odd := list(shape(run))), "; ".join(f"{b.subject} {b.what}" for b in odd))
        if (old := before.runs.get(run.id)) is not None:
            _a_change(old, run)
            _address(old, run)
            _claimed(old, run, writer)
            _again(now, old, run)
            _struck(before, old, run)
    gone = [key for key, outcome in before.outcomes.items() if now.outcomes.get(key) is not outcome]
    must(not gone, f"an outcome was changed: {gone}")
    suspects = [r.id for r in now.runs.values() if r.live and r.suspect]
    must(len(suspects) <= 1, f"suspects run together: {suspects}")
    over = overbooked([r for r in now.runs.values() if r.live], limits, agents)
    must(not over, f"overbooked: {over}")


def overbooked(live: Iterable[Run | Candidate], limits: Limits, agents: Mapping[str, Agent]) -> Mapping[str, int]:
    """Return the slots of which more are held than there are."""
    held = [slots(run, limits, agents, frozenset()) for run in live]
    used, wide = Counter(key for keys in held for key in keys), {key: n for keys in held for key, n in keys.items()}
    return {key: used[key] for key in used if key.startswith(WIDE) and used[key] > wide[key]}


def _a_change(old: Run, run: Run) -> None:
    must(old.state is not RunState.ENDED, f"{run.id} was ended and moved on")
    must(run.token >= old.token and run.epoch >= old.epoch, f"{run.id}: token or epoch went back")
    must(run.version >= old.version, f"{run.id}: its version went back")
    if old.owner != run.owner:
        must(run.token > old.token, f"{run.id}: a new owner, the same token")
    on_its_way = run.owner or run.segment is Segment.FINISH
    must(on_its_way or not run.cancel, f"{run.id} was cancelled, is {run.state} at {run.step}, and nobody's")


def _address(old: Run, run: Run) -> None:
    """Rules 1 and 6: a dispatch takes a new epoch; who goes on in its segment, is rung again or not dispatched keeps it."""
    if run.state is not RunState.QUEUED:
        must(run.epoch == old.epoch, f"{run.id}: a new epoch, and no dispatch")
    elif not old.live or (old.segment, old.turn) != (run.segment, run.turn):
        must(run.epoch > old.epoch, f"{run.id}: dispatched to {run.step} under the epoch of another dispatch")
    elif (old.step is not run.step and not run.bare) or old.state is RunState.QUEUED:  # bare: its evidence failed
        must(run.epoch == old.epoch, f"{run.id}: the doorbell that is under way was made worthless")


def _claimed(old: Run, run: Run, writer: Writer) -> None:
    """Rule 2: a claim answers its very message, and takes what is queued and wanted."""
    if run.state is not RunState.RUNNING or run.token == old.token:
        return
    must(old.state is RunState.QUEUED, f"{run.id} was claimed while it was {old.state}")
    must(not run.cancel or run.segment is Segment.FINISH, f"{run.id} was claimed though it is cancelled")
    run_id, epoch, steps = writer.delivery.message if writer.delivery else ("", 0, ("",))
    must((run_id, epoch, steps[0]) == (run.id, run.epoch, run.step), f"{run.id} was claimed by another message")


def _again(now: Rows, old: Run, run: Run) -> None:
    """Rule 15: another turn begins only when it is settled that nothing of the last one arrived, or ever will."""
    if run.turn > old.turn:
        left = [e.key for k, e in now.effects.items() if k[0] == run.id and e.state is not EffectState.REFUSED]
        must(not left, f"{run.id} begins turn {run.turn}, and {left} may have been done")


def _struck(before: Rows, old: Run, run: Run) -> None:
    """Rule 18: a death is held against a run only if it was alone, or the one suspect; the last one only if alone."""
    if run.strikes > old.strikes or (run.reason == Failure.WORKER_LOST and not old.reason):
        company = [r for r in before.runs.values() if r.owner == old.owner and r.id != run.id]
        must(
            not company or not (old.accused or any(r.suspect for r in company) or not old.suspect),
            f"{run.id} was blamed for a death in company",
        )


def _fenced(before: Rows, now: Rows, writer: str) -> None:
    """Only who holds the claim writes outcomes, effects and spending, under its own token (rules 2, 15, 17)."""
    for run_id, turn, step in now.outcomes.keys() - before.outcomes.keys():
        owner = before.runs[run_id].owner if run_id in before.runs else None
        must(owner in (None, writer), f"{writer} wrote {step} of turn {turn} of {run_id}, which is {owner}'s by now")
    for key in (k for k, e in now.effects.items() if before.effects.get(k) is not e):
        run, effect = before.runs[key[0]], now.effects[key]
        must(run.owner == writer, f"{writer} wrote an effect of {run.id}, which is {run.owner}'s by now")
        if key not in before.effects:
            others = [e for k, e in before.effects.items() if k[0] == run.id and e.state is not EffectState.REFUSED]
            must(not others, f"{run.id}: an effect was intended while another was open")
            must(effect.token == run.token, f"{run.id}: an effect was intended under a stale token")
            must(not run.cancel, f"{run.id}: an effect was intended after the cancel")
    for run_id, _, token in (k for k, n in now.spend.items() if before.spend.get(k) != n):
        must(token == before.runs[run_id].token, f"{run_id}: money was written under a stale token")


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
