"""What must hold in any work graph at any time: the story of each run, its effects, its receipt, and the whole chain.

Every finding is something that the protocol makes impossible; none says that work goes slowly. Reads only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loopy.domain.effect import EffectState
from loopy.domain.events import Event
from loopy.domain.failures import Failure
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.engine.books import ReceiptRow
from loopy.engine.graph import Graph, Tx

PAGE = 200
OPEN_ENDED = frozenset({Wait.QUESTION, Wait.DEPENDENCY, Wait.PAUSED})  # a person or another run moves them
BEFORE_SHIPPING = frozenset({Step.PLAN, Step.SIZE, Step.ROUTE, Step.CODE, Step.CHECK, Step.EVIDENCE})


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be: which rule of the protocol, where, and what was found."""

    rule: int
    subject: str
    what: str


def fsck(graph: Graph) -> Iterator[Breach]:
    """Yield every breach, run by run and then along the chain of receipts; each run is read in a snapshot of its own."""
    after = ""
    while True:
        with graph.read() as tx:
            runs = tx.runs.page(after, PAGE)
        if not runs:
            break
        for seen in runs:
            yield from _one(graph, seen.id)
        after = runs[-1].id
    yield from _chain(graph)


def _one(graph: Graph, run_id: str) -> Iterator[Breach]:
    with graph.read() as tx:
        run = tx.runs.get(run_id)
        if run is None:
            return
        story = tx.runs.story(run_id)
        yield from _row(tx, run)
        yield from _story(run, story)
        yield from _steps(tx, run)
        yield from _effects(tx, run)
        yield from _receipt(tx, run)


def _row(tx: Tx, run: Run) -> Iterator[Breach]:
    """Nobody is forgotten: something or somebody will move the run."""
    yield from shape(run)
    if run.state is RunState.WAITING and run.wake_at is None and run.wait not in OPEN_ENDED:
        gate = run.wait is Wait.APPROVAL and any(a.answer is None for a in tx.approvals.of(run.id))
        if not gate:
            yield Breach(12, run.id, f"waits for {run.wait}, and nothing would ever wake it")


def shape(run: Run) -> Iterator[Breach]:
    """Yield where a row contradicts itself: owner, wait and end each belong to one state."""
    if (run.owner is not None) != (run.state is RunState.RUNNING):
        yield Breach(2, run.id, f"is {run.state} with owner {run.owner or 'none'}")
    if (run.wait is not None) != (run.state is RunState.WAITING):
        yield Breach(12, run.id, f"is {run.state} and waits for {run.wait or 'nothing'}")
    if (run.ended_at is not None) != (run.state is RunState.ENDED):
        yield Breach(13, run.id, f"is {run.state} with the end time {run.ended_at}")


def _story(run: Run, story: Sequence[Event]) -> Iterator[Breach]:
    """Every transition left its event, in the same transaction; tokens and epochs only rise, a token with every owner."""
    versions = [e.version for e in story]
    if versions != list(range(run.version + 1)):
        yield Breach(5, run.id, f"is at version {run.version}, and its history has {_ranges(versions)}")
    marks = [(int(e.facts.get("epoch") or 0), int(e.facts.get("token") or 0)) for e in story[1:]]
    for earlier, later in pairwise(marks):
        if later[0] < earlier[0] or later[1] < earlier[1]:
            yield Breach(2, run.id, f"epoch and token went from {earlier} to {later}")
    for before, after in pairwise(story[1:]):
        if _owned(before) != _owned(after) and before.facts.get("token") == after.facts.get("token"):
            yield Breach(
                2, run.id, f"changed its owner at version {after.version} and kept token {after.facts.get('token')}"
            )
    if story[1:] and marks[-1] != (run.epoch, run.token):
        yield Breach(5, run.id, f"its last event says epoch and token {marks[-1]}, its row {(run.epoch, run.token)}")
    if [e.name for e in story].count("run.ended") != (run.state is RunState.ENDED):
        yield Breach(4, run.id, "its history does not end as its row does")


def _owned(event: Event) -> bool:
    """Whether the run had an owner after this."""
    return event.facts.get("state") == RunState.RUNNING


def _ranges(versions: Sequence[int | None]) -> str:
    seen = sorted(v for v in versions if v is not None)
    doubled = [v for v, n in Counter(seen).items() if n > 1]
    missing = sorted(set(range(max(seen, default=-1) + 1)) - set(seen))
    return f"{len(seen)} events, missing {missing[:5]}, doubled {doubled[:5]}, the last {max(seen, default=None)}"


def _steps(tx: Tx, run: Run) -> Iterator[Breach]:
    """No step of a run that passed is missing, none was written under a token that came later."""
    outcomes = tx.runs.outcomes(run.id)
    if run.state is RunState.ENDED and run.verdict is Verdict.PASSED and not run.bare:
        missing = BEFORE_SHIPPING - {step for _, step, _ in outcomes}
        if missing:
            yield Breach(4, run.id, f"PASSED without an outcome of {', '.join(sorted(missing))}")
    if late := [f"{step} of turn {turn}" for turn, step, _ in outcomes if turn > run.turn]:
        yield Breach(4, run.id, f"is in turn {run.turn} and has an outcome of {', '.join(late)}")
    for attempt in tx.runs.attempts(run.id):
        if attempt.failure is Failure.INTERNAL:
            yield Breach(4, run.id, f"a defect in {attempt.step}: {attempt.detail}")


def _effects(tx: Tx, run: Run) -> Iterator[Breach]:
    """A keyed effect happens once; what ended has told of what is still open."""
    effects = tx.effects.of(run.id)
    done = [e for e in effects if e.state is EffectState.DONE]
    if len(done) > 1:
        yield Breach(15, run.id, f"{len(done)} effects are done")
    if [e.ordinal for e in effects] != list(range(len(effects))):
        yield Breach(15, run.id, f"its effects are numbered {[e.ordinal for e in effects]}")
    if run.state is not RunState.ENDED:
        return
    if run.verdict is Verdict.PASSED and [e.commit for e in done] != [run.head]:
        yield Breach(15, run.id, f"PASSED with {run.head or 'no commit'}, and {len(done)} effects are done")


def _receipt(tx: Tx, run: Run) -> Iterator[Breach]:
    """Whoever ended has a receipt that says how; whoever has not has none."""
    row = tx.receipts.of(run.id)
    if run.state is not RunState.ENDED:
        if row is not None:
            yield Breach(16, run.id, f"is {run.state} and has a receipt already")
        return
    if run.segment is not Segment.FINISH:
        yield Breach(13, run.id, f"ended in {run.segment}")
    if row is None:
        yield Breach(16, run.id, "ended without a receipt")
    elif row.verdict != run.verdict:
        yield Breach(16, run.id, f"ended {run.verdict}, and its receipt says {row.verdict}")


def _chain(graph: Graph) -> Iterator[Breach]:
    """The chain has no gap and no fork, and each link names the one before."""
    seq, digest = 0, ""
    for link in links(graph):
        if link.seq != seq + 1:
            yield Breach(16, f"receipt {link.seq}", f"follows receipt {seq}")
        if link.previous != digest:
            yield Breach(16, f"receipt {link.seq}", "does not name the receipt before it")
        seq, digest = link.seq, link.digest


def links(graph: Graph) -> Iterator[ReceiptRow]:
    """Yield every receipt, oldest first, page by page."""
    seq = 0
    while True:
        with graph.read() as tx:
            page = tx.receipts.since(seq, PAGE)
        if not page:
            return
        yield from page
        seq = page[-1].seq
