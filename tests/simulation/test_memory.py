"""The in-memory graph answers as the real one does: the same acts on both, and every look compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loopy.domain.agent import Tried
from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import LoopyError
from loopy.domain.events import StreamEvent
from loopy.domain.evidence import ApprovalRecord
from loopy.domain.failures import Failure
from loopy.domain.plan import Sized, SizeName
from loopy.domain.run import Claim, Run
from loopy.domain.states import RunState, Segment, Step, Wait
from loopy.domain.ticket import RunId, Ticket, TicketId
from loopy.engine.books import ReceiptRow, Worker
from loopy.engine.graph import Graph, Tx
from loopy.store.graph import SqlGraph
from tests.simulation.memory import MemoryGraph

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """The time of both graphs."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


class Same:
    """Does everything twice and compares what comes back."""

    def __init__(self, real: Graph, memory: Graph, clock: Clock, rng: random.Random) -> None:
        self.graphs, self.clock, self.rng = (real, memory), clock, rng

    def do(self, act: Callable[[Tx], Any]) -> Any:
        answers = [_answer(graph, act) for graph in self.graphs]
        assert answers[0] == answers[1]
        return answers[0]

    def run(self) -> Run | None:
        tickets = self.do(lambda tx: [r.id for n in (1, 2, 3) for r in tx.tickets.runs(f"LP-{n}")])
        wanted = self.rng.choice(tickets) if tickets and isinstance(tickets, list) else None
        return self.do(lambda tx: tx.runs.get(wanted)) if wanted else None


def _answer(graph: Graph, act: Callable[[Tx], Any]) -> Any:
    try:
        with graph.write() as tx:
            found = act(tx)
            return list(found) if isinstance(found, list | tuple) else found
    except LoopyError as error:
        return type(error)


@pytest.fixture
def both(tmp_path: Path, template: Path, request: pytest.FixtureRequest) -> Iterator[Same]:
    path, clock = tmp_path / "loopy.db", Clock()
    path.write_bytes(template.read_bytes())
    graph = SqlGraph(f"sqlite:///{path}", clock)
    yield Same(graph, MemoryGraph(clock), clock, random.Random(request.node.callspec.params["seed"]))
    graph.close()


@pytest.mark.parametrize(
    ("seed", "acts"), [(0, 30), *(pytest.param(n, 120, marks=pytest.mark.slow) for n in range(1, 7))]
)
def test_both_graphs_answer_alike(both: Same, seed: int, acts: int) -> None:
    for _ in range(acts):
        both.rng.choice((_file, _start, _move, _move, _move, _journal, _books, _chain, _fleet))(both)
        both.clock.at += timedelta(seconds=both.rng.choice((0, 1, 700)))
        _look(both)


def _file(both: Same) -> None:
    needs = tuple(TicketId(f"LP-{n}") for n in (1, 2) if both.rng.random() < 0.2)
    repo, priority = both.rng.choice("xy"), both.rng.randint(0, 4)
    ticket = Ticket(
        id=TicketId(""), title="t", repo=repo, created_at=both.clock.at, depends_on=needs, priority=priority
    )
    both.do(lambda tx: tx.tickets.add(ticket))


def _start(both: Same) -> None:
    ticket = TicketId(f"LP-{both.rng.randint(1, 3)}")
    if both.do(lambda tx: tx.tickets.get(ticket)) is None:
        return
    run_id = both.do(lambda tx: tx.runs.next_id(ticket))
    where: dict[str, Any] = {"segment": Segment.PREPARE, "step": Step.PLAN, "turn": 1, "epoch": 0, "token": 0}
    where |= {"priority": both.rng.randint(0, 4), "repo": both.rng.choice("xy"), "created_at": both.clock.at}
    run = Run(id=RunId(run_id), ticket=ticket, state=RunState.READY, version=0, ready_at=both.clock.at, **where)
    both.do(lambda tx: tx.runs.add(run))


def _move(both: Same) -> None:
    run, rng, now = both.run(), both.rng, both.clock.at
    if run is None:
        return
    state = rng.choice(list(RunState)[:4])
    changes: dict[str, Any] = {"state": state, "owner": "w1" if state is RunState.RUNNING else None}
    waiting = state is RunState.WAITING
    changes |= {
        "wait": Wait.DEPENDENCY if waiting else None,
        "wake_at": now if waiting and rng.random() < 0.5 else None,
    }
    changes |= {"cancel": rng.random() < 0.2, "segment": rng.choice((Segment.TURN, Segment.FINISH)), "step": Step.CODE}
    changes |= {
        "token": run.token + 1,
        "agent": rng.choice("ab"),
        "account": rng.choice("ab"),
        "deaths": rng.choice((0, 0, 0, 2)),
        "strikes": rng.choice((0, 0, 0, 3)),
        "ready_at": now - timedelta(seconds=rng.randint(0, 3000)),
    }
    both.do(lambda tx: tx.runs.move(run, "run.moved", "why", {"n": 1}, **changes))
    both.do(lambda tx: tx.runs.move(run, "run.moved", "stale"))
    both.do(lambda tx: tx.runs.set_rung(run, now, 3))


def _journal(both: Same) -> None:
    run = both.run()
    if run is None:
        return
    both.do(lambda tx: tx.runs.add_outcome(run, Sized(size=SizeName.SMALL, points=1, reasons=())))
    tried = Tried(failure=Failure.QUOTA, detail="d", resets_at=both.clock.at)
    both.do(lambda tx: tx.runs.add_attempt(run, tried, to_agent=both.clock.at.isoformat()))
    both.do(lambda tx: tx.runs.stream(Claim(run, "w1"), [StreamEvent("agent.message", "hi")]))
    both.do(lambda tx: tx.runs.beat("w1", [Claim(run, "w1")]))
    both.do(lambda tx: tx.runs.spend(run, 100, None))
    both.do(lambda tx: tx.runs.spend(run, 100, 40))
    account, since = both.rng.choice(("", "a", "b")), both.clock.at - timedelta(seconds=both.rng.choice((0, 700, 1400)))
    both.do(lambda tx: tx.runs.spent(ticket=run.ticket, account=account, since=since))
    both.do(lambda tx: tx.runs.serve(run.repo))


def _books(both: Same) -> None:
    run, now = both.run(), both.clock.at
    if run is None:
        return
    effect = Effect(
        run.id, EffectKind.PUSH, both.rng.randint(0, 1), EffectState.INTENDED, 1, "c", "t", "r", "", now, ""
    )
    both.do(lambda tx: tx.effects.intend(effect))
    both.do(lambda tx: tx.effects.settle(effect, EffectState.DONE, "words"))
    asked = both.do(lambda tx: tx.approvals.open(run, "ship", both.clock.at.date().isoformat(), "may it?"))
    record = ApprovalRecord(gate="ship", decision="approve", by="p", at=now, subject=asked.subject)
    both.do(lambda tx: tx.approvals.answer(asked, record))
    both.do(lambda tx: tx.approvals.of(run.id))


def _chain(both: Same) -> None:
    run = both.run()
    if run is None:
        return
    seq, previous = both.do(lambda tx: list(tx.receipts.head()))
    row = ReceiptRow(seq + 1, run.id, "PASSED", f"d{seq + 1}", previous, b"s", b"e", b"", both.clock.at)
    both.do(lambda tx: tx.receipts.add(row))
    both.do(lambda tx: tx.receipts.pushed(run.id, both.clock.at) if both.rng.random() < 0 else None)


def _fleet(both: Same) -> None:
    account, later = both.rng.choice("ab"), both.clock.at + timedelta(seconds=both.rng.randint(1, 90))
    both.do(lambda tx: tx.fleet.cool(account, later, "quota"))
    if both.rng.random() < 0.3:
        both.do(lambda tx: tx.fleet.prove(account))
    if both.rng.random() < 0.3:
        both.do(lambda tx: tx.fleet.thaw(account))
    name = f"w{both.rng.random()}"
    both.do(lambda tx: tx.fleet.add_worker(Worker(name, "h", 1, both.clock.at, ("loop",), "0")))
    both.do(lambda tx: tx.fleet.close_worker(name))


def _look(both: Same) -> None:
    looks: tuple[Callable[[Tx], Any], ...] = (
        lambda tx: tx.runs.by_state(RunState.QUEUED, RunState.RUNNING),
        lambda tx: sorted(tx.runs.due(), key=lambda r: r.id),
        lambda tx: sorted(tx.runs.orphaned(), key=lambda r: r.id),
        lambda tx: tx.runs.waiting_for(Wait.DEPENDENCY),
        lambda tx: tx.runs.any_ready(),
        lambda tx: sorted(tx.runs.live(), key=lambda c: c.id),
        lambda tx: list(tx.runs.ready(dict.fromkeys(Segment, 64))),
        lambda tx: list(tx.runs.ready(dict.fromkeys(Segment, 2))),
        lambda tx: list(tx.runs.ready(dict.fromkeys(Segment, 0) | {Segment.TURN: 1})),
        lambda tx: tx.runs.owned("w1"),
        lambda tx: [tx.runs.attempts(f"LP-{n}.1") for n in (1, 2)],
        lambda tx: [tx.runs.outcomes(f"LP-{n}.1") for n in (1, 2)],
        lambda tx: [tx.effects.of(f"LP-{n}.1") for n in (1, 2)],
        lambda tx: [tx.tickets.dependents(f"LP-{n}") for n in (1, 2)],
        lambda tx: tx.receipts.unpushed(),
        lambda tx: [tx.receipts.since(0, 2), tx.receipts.since(1, 9)],
        lambda tx: [tx.runs.page("", 1), tx.runs.page("LP-1.2", 9)],
        lambda tx: [[(e.name, e.facts) for e in tx.runs.story(f"LP-{n}.1")] for n in (1, 2)],
        lambda tx: dict(tx.fleet.cooldowns()),
        lambda tx: tx.fleet.workers(),
    )
    for look in looks:
        both.do(look)
    events = [[(e.run, e.name, e.text, e.version, e.at) for e in g.events(0, limit=5000)] for g in both.graphs]
    assert events[0] == events[1]
