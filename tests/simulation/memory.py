"""`engine.graph.Graph` in memory: serial writers, snapshots to read, nothing kept of a transaction that did not end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from itertools import count, groupby
from typing import Any

from loopy.domain.agent import Tried
from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import LostError, NotFoundError, StoreError
from loopy.domain.events import Event, StreamEvent
from loopy.domain.evidence import AttemptRecord
from loopy.domain.limits import AGEING_S
from loopy.domain.outcome import Outcome
from loopy.domain.run import Candidate, Claim, Run
from loopy.domain.states import RunState, Segment, Step, Wait
from loopy.domain.ticket import Comment, RunId, Ticket, TicketId
from tests.simulation.books import MemoryApprovals, MemoryEffects, MemoryFleet, MemoryReceipts
from tests.simulation.rows import Rows

ORDER = tuple(Step)


def number(ticket_id: str) -> int:
    return int(ticket_id.upper().removeprefix("LP-"))


def candidate(run: Run) -> Candidate:
    return Candidate(**{f.name: getattr(run, f.name) for f in fields(Candidate)})


@dataclass
class MemoryRuns:
    """`engine.graph.Runs` over `Rows`."""

    rows: Rows
    now: datetime

    def get(self, run_id: str) -> Run | None:
        return self.rows.runs.get(run_id)

    def next_id(self, ticket: TicketId) -> RunId:
        taken = {r.id for r in self.rows.runs.values() if r.ticket == ticket}
        return RunId(next(i for n in count(1) if (i := f"{ticket}.{n}") not in taken))

    def add(self, run: Run) -> Run:
        if run.id in self.rows.runs:
            raise StoreError(run.id, "exists")
        self.rows.served.setdefault(run.repo, 0)
        self.rows.runs[run.id] = run
        self._event(run, "run.created", "", {}, run.version)
        return run

    def move(self, run: Run, name: str, text: str = "", facts: Mapping[str, Any] | None = None, **changes: Any) -> Run:
        moved = replace(run, **changes, version=run.version + 1)
        self._must_be(run, name)
        self.rows.runs[run.id] = moved
        where_now = {"state": moved.state, "epoch": moved.epoch, "token": moved.token}
        self._event(moved, name, text, where_now | dict(facts or {}), moved.version)
        return moved

    def _must_be(self, run: Run, name: str) -> None:
        now = self.rows.runs.get(run.id)
        if now is None or now.version != run.version:
            raise LostError(run.id, f"moved on before '{name}'")

    def _event(self, run: Run, name: str, text: str, facts: Mapping[str, Any], version: int | None) -> None:
        self.rows.last_event += 1
        where: dict[str, Any] = {
            "run": run.id,
            "ticket": run.ticket,
            "turn": run.turn,
            "step": run.step,
            "version": version,
        }
        event = Event(id=self.rows.last_event, at=self.now, name=name, text=text, facts=dict(facts), **where)
        self.rows.events[run.id] = (*self.rows.events.get(run.id, ()), event)

    def set_rung(self, run: Run, at: datetime, rings: int) -> None:
        self._must_be(run, "rung")
        self.rows.runs[run.id] = replace(run, rung_at=at, rings=rings)

    def by_state(self, *states: str, limit: int = 1000) -> Sequence[Run]:
        return self._of(lambda r: r.state in states)[:limit]

    def _of(self, wanted: Callable[[Run], bool]) -> list[Run]:
        return sorted((r for r in self.rows.runs.values() if wanted(r)), key=lambda r: r.created_at)

    def due(self) -> Sequence[Run]:
        def is_due(r: Run) -> bool:
            over = r.state is RunState.WAITING and r.wake_at is not None and r.wake_at <= self.now
            return over and (not r.cancel or r.segment is Segment.FINISH)

        return sorted(self._of(is_due), key=lambda r: r.wake_at or self.now)

    def orphaned(self) -> Sequence[Run]:
        return self._of(
            lambda r: r.cancel and r.state is not RunState.ENDED and not r.owner and r.segment is not Segment.FINISH
        )

    def waiting_for(self, why: Wait) -> Sequence[Run]:
        return self._of(lambda r: r.state is RunState.WAITING and r.wait is why)

    def any_ready(self) -> bool:
        return any(r.state is RunState.READY for r in self.rows.runs.values())

    def live(self) -> Sequence[Candidate]:
        return [candidate(r) for r in self._of(lambda r: r.live)]

    def ready(self, room: Mapping[Segment, int]) -> Sequence[Candidate]:
        def place(r: Run) -> tuple[Any, ...]:
            assert r.ready_at
            urgency = r.priority - (self.now - r.ready_at).total_seconds() / AGEING_S
            rank = next((n for n in range(4) if urgency < n), 4)
            return rank, self.rows.served.get(r.repo, 0), r.ready_at, r.id

        def lane(r: Run) -> tuple[object, ...]:
            return r.priority, r.segment, r.step, r.agent, r.account, r.repo, r.mission, r.suspect, r.accused

        def places(r: Run) -> int:
            return 1 if r.accused else room[r.segment]

        ready = sorted(self._of(lambda r: r.state is RunState.READY), key=lambda r: (lane(r), place(r)))
        lanes = [list(group) for _, group in groupby(ready, lane)]
        first = [r for group in lanes for r in group[: places(group[0])]]
        return [candidate(r) for r in sorted(first, key=place)]

    def owned(self, worker: str) -> Sequence[Run]:
        return self._of(lambda r: r.state is RunState.RUNNING and r.owner == worker)

    def page(self, after: str, limit: int) -> Sequence[Run]:
        return sorted((r for r in self.rows.runs.values() if r.id > after), key=lambda r: r.id)[:limit]

    def story(self, run_id: str) -> Sequence[Event]:
        return [e for e in self.rows.events.get(run_id, ()) if e.version is not None]

    def outcome(self, run_id: str, turn: int, step: Step) -> Outcome | None:
        return self.rows.outcomes.get((run_id, turn, step))

    def outcomes(self, run_id: str) -> Sequence[tuple[int, Step, Outcome]]:
        journal = [(turn, step, o) for (run, turn, step), o in self.rows.outcomes.items() if run == run_id]
        return sorted(journal, key=lambda entry: (entry[0], ORDER.index(entry[1])))

    def add_outcome(self, run: Run, outcome: Outcome) -> None:
        key = (run.id, run.turn, run.step)
        if key in self.rows.outcomes:
            raise StoreError(run.id, f"an outcome of {run.step} in turn {run.turn} is on record already")
        self.rows.outcomes[key] = outcome

    def add_attempt(self, run: Run, tried: Tried, to_agent: str = "") -> None:
        record = AttemptRecord(
            at=self.now,
            turn=run.turn,
            step=run.step,
            failure=tried.failure,
            agent=tried.agent or run.agent,
            to_agent=to_agent,
            detail=tried.detail,
            resets_at=tried.resets_at,
        )
        self.rows.attempts[run.id] = (*self.rows.attempts.get(run.id, ()), record)

    def attempts(self, run_id: str) -> Sequence[AttemptRecord]:
        return list(self.rows.attempts.get(run_id, ()))

    def stream(self, claim: Claim, events: Iterable[StreamEvent]) -> None:
        run = self.rows.runs.get(claim.run.id)
        if run is None or run.token != claim.token or run.state is not RunState.RUNNING:
            raise LostError(claim.run.id, "its token is not current")
        for e in events:
            self._event(run, e.name, e.text, e.facts, None)

    def beat(self, worker: str, claims: Sequence[Claim]) -> Mapping[str, Run]:
        held = {(c.run.id, c.token) for c in claims}
        mine = [r for r in self.owned(worker) if (r.id, r.token) in held]
        self.rows.runs |= {r.id: replace(r, beat=r.beat + 1) for r in mine}
        return {r.id: r for r in mine}

    def serve(self, repo: str) -> None:
        self.rows.served[repo] = 1 + max(self.rows.served.values(), default=0)

    def spend(self, run: Run, reserve_micros: int, actual_micros: int | None) -> int:
        key, micros = (run.id, run.turn, run.token), reserve_micros if actual_micros is None else actual_micros
        _, account, at = self.rows.spend.get(key, (0, run.account, self.now))
        self.rows.spend[key] = micros, account, at
        return self.spent(run=run.id)

    def spent(self, *, run: str = "", ticket: str = "", account: str = "", since: datetime | None = None) -> int:
        def counts(of: str, whose: str, at: datetime) -> bool:
            mine = not ticket or self.rows.runs[of].ticket == ticket
            return mine and run in ("", of) and account in ("", whose) and (since is None or at >= since)

        return sum(micros for (of, _, _), (micros, whose, at) in self.rows.spend.items() if counts(of, whose, at))


@dataclass
class MemoryTickets:
    """`engine.graph.Tickets` over `Rows`."""

    rows: Rows

    def add(self, ticket: Ticket) -> Ticket:
        n = 1 + max(self.rows.tickets, default=0)
        for needed in ticket.depends_on:
            if self.get(needed) is None:
                raise NotFoundError("ticket.depends_on", f"there is no ticket {needed}")
        self.rows.tickets[n] = ticket.model_copy(update={"id": TicketId(f"LP-{n}")})
        return self.rows.tickets[n]

    def get(self, ticket_id: str) -> Ticket | None:
        return self.rows.tickets.get(number(ticket_id))

    def change(self, ticket_id: str, **changes: Any) -> None:
        self.rows.tickets[number(ticket_id)] = self.rows.tickets[number(ticket_id)].model_copy(update=changes)

    def runs(self, ticket_id: str) -> Sequence[Run]:
        mine = [r for r in self.rows.runs.values() if r.ticket == ticket_id]
        return sorted(mine, key=lambda r: int(r.id.rpartition(".")[2]))

    def dependents(self, ticket_id: str) -> Sequence[TicketId]:
        return [t.id for t in self.rows.tickets.values() if ticket_id in t.depends_on]

    def comment(self, comment: Comment) -> None:
        self.rows.comments.append(comment)


@dataclass
class MemoryTx:
    """One transaction over its own copy of the tables."""

    rows: Rows
    now: datetime

    def __post_init__(self) -> None:
        self.runs, self.tickets = MemoryRuns(self.rows, self.now), MemoryTickets(self.rows)
        self.effects, self.receipts = MemoryEffects(self.rows), MemoryReceipts(self.rows)
        self.approvals, self.fleet = MemoryApprovals(self.rows, self.now), MemoryFleet(self.rows, self.now)


@dataclass
class MemoryGraph:
    """The store; transactions do not overlap, as on SQLite, so whoever switches tasks must not do it inside one."""

    clock: Callable[[], datetime]
    rows: Rows = field(default_factory=Rows)
    commits: int = 0
    busy: bool = False

    @contextmanager
    def write(self, *, full: bool = False) -> Iterator[MemoryTx]:
        assert not self.busy, "a second writer inside a transaction"
        self.busy, draft = True, self.rows.copy()
        try:
            yield MemoryTx(draft, self.clock())
            crashpoint("store.before_commit")
            before, self.rows, self.commits = self.rows, draft, self.commits + 1
            self.committed(before, draft)
        finally:
            self.busy = False
        crashpoint("store.after_commit")

    @contextmanager
    def read(self) -> Iterator[MemoryTx]:
        yield MemoryTx(self.rows, self.clock())

    def committed(self, before: Rows, now: Rows) -> None:
        """Look at a transaction that was just committed."""

    def version(self) -> int:
        return self.commits

    def events(self, after: int, run: str = "", limit: int = 500) -> Sequence[Event]:
        found = self.rows.events.get(run, ()) if run else (e for of in self.rows.events.values() for e in of)
        return sorted((e for e in found if e.id > after), key=lambda e: e.id)[:limit]

    def checkpoint(self) -> None:
        return
