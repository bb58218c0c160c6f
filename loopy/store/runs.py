"""Runs, outcomes, attempts and events inside one transaction; `move` is the only writer of a run's position."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from heapq import heapify, heappop, heappush
from typing import Any

from sqlalchemy import Float, Integer, Select, bindparam, func, insert, or_, select, text, tuple_, update

from loopy.domain.agent import Tried
from loopy.domain.errors import LostError, MigrationError, StoreError
from loopy.domain.events import Event, StreamEvent
from loopy.domain.evidence import AttemptRecord
from loopy.domain.failures import Failure
from loopy.domain.limits import urgency
from loopy.domain.outcome import OUTCOMES, SCHEMA, Outcome
from loopy.domain.run import Candidate, Claim, Run
from loopy.domain.states import RunState, Segment, Step, Wait
from loopy.domain.ticket import RunId, TicketId
from loopy.store import schema as s
from loopy.store import spending
from loopy.store.rows import (
    ACCUSED,
    CANDIDATE_COLUMNS,
    RUN_COLUMNS,
    as_json,
    candidate_of,
    event_of,
    lane_of,
    moment,
    moment_of,
    run_columns,
    run_of,
    seconds,
    stored,
    ticket_number,
)
from loopy.store.session import Prepared, Session, insertion

ORDER = tuple(Step)  # within a turn, steps follow each other as they are listed
ROWS = 500  # of one look; the next look takes the next
CANDIDATE = tuple(s.run.c[name] for name in CANDIDATE_COLUMNS)
GET = Prepared(select(s.run).where(s.run.c.id == bindparam("id")))
OUTCOME = Prepared(
    select(s.outcome.c.schema, s.outcome.c.body).where(
        s.outcome.c.run == bindparam("run"),
        s.outcome.c.turn == bindparam("turn"),
        s.outcome.c.step == bindparam("step"),
    )
)
OUTCOMES_OF = Prepared(select(s.outcome).where(s.outcome.c.run == bindparam("run")))
ATTEMPTS_OF = Prepared(select(s.attempt).where(s.attempt.c.run == bindparam("run")).order_by(s.attempt.c.id))
ADD_EVENT = insertion(s.event, "run", "ticket", "at", "name", "turn", "step", "text", "facts", "version")
ADD_OUTCOME = insertion(s.outcome, "run", "turn", "step", "schema", "body", "token", "at")
IN_STATE = {state: select(s.run).where(where).order_by(s.run.c.created_at) for state, where in s.IS.items()}
OLDEST = {state: Prepared(query.limit(bindparam("limit", type_=Integer))) for state, query in IN_STATE.items()}
NOT_CANCELLED = or_(s.run.c.cancel.is_(False), s.run.c.segment == "finish")
DUE = select(s.run).where(s.IS["waiting"], s.run.c.wake_at <= bindparam("now"), NOT_CANCELLED)
DUE = DUE.order_by(s.run.c.wake_at).limit(ROWS)
ORPHANED = select(s.run).where(s.CANCELLED, s.run.c.owner.is_(None), s.run.c.segment != "finish").limit(ROWS)
WAITING_FOR = IN_STATE["waiting"].where(s.run.c.wait == bindparam("why")).limit(ROWS)
OWNED = Prepared(IN_STATE["running"].where(s.run.c.owner == bindparam("owner")))
BEAT = Prepared(update(s.run).where(s.run.c.id == bindparam("of")).values(beat=s.run.c.beat + 1))
ANY_READY = Prepared(select(s.run.c.id).where(s.IS["ready"]).limit(1))
NEWEST_SERVICE = Prepared(select(func.max(s.repo.c.served)))
SERVE = Prepared(update(s.repo).where(s.repo.c.path == bindparam("of")).values(served=bindparam("n")))
SERVED = Prepared(select(s.repo.c.served).where(s.repo.c.path == bindparam("path")))
NEWEST_RUN = Prepared(select(func.max(s.run.c.n)).where(s.run.c.ticket == bindparam("ticket")))
ADD_RUN = insertion(s.run, *RUN_COLUMNS, "n", "lane")


def _heads() -> Select[Any]:
    """Return the look at who stands first in each of some lanes: a walk over the index from lane to lane."""
    lane, here = func.min(s.run.c.lane), (s.IS["ready"], s.run.c.lane < bindparam("until"))
    lanes = select(lane.label("lane")).where(*here, s.run.c.lane > bindparam("beyond")).cte("lanes", recursive=True)
    after = select(lane).where(*here, s.run.c.lane > lanes.c.lane).scalar_subquery()
    lanes = lanes.union_all(select(after).where(lanes.c.lane.is_not(None)))
    waiting = s.run.alias("waiting")
    in_lane = select(waiting.c.id).where(text("waiting.state = 'ready'"), waiting.c.lane == lanes.c.lane)
    first = in_lane.order_by(waiting.c.ready_at, waiting.c.id).limit(1).scalar_subquery()
    served = func.coalesce(select(s.repo.c.served).where(s.repo.c.path == s.run.c.repo).scalar_subquery(), 0)
    return select(*CANDIDATE, s.run.c.lane, served.label("served")).join_from(lanes, s.run, s.run.c.id == first)


HEADS = Prepared(_heads())
BEHIND = Prepared(
    select(*CANDIDATE)
    .where(s.IS["ready"], s.run.c.lane == bindparam("of_lane"))
    .where(tuple_(s.run.c.ready_at, s.run.c.id) > tuple_(bindparam("since", type_=Float), bindparam("after")))
    .order_by(s.run.c.ready_at, s.run.c.id)
    .limit(1)
)
HOLDING = tuple(Prepared(select(*CANDIDATE).where(s.IS[state])) for state in ("queued", "running"))


@cache
def _moving(columns: frozenset[str]) -> Prepared:
    """Return the compare-and-set of these columns; the engine moves by some thirty sets of them."""
    where = (s.run.c.id == bindparam("of_run"), s.run.c.version == bindparam("seen"))
    return Prepared(update(s.run).where(*where).values({name: bindparam(name) for name in sorted(columns)}))


class SqlRuns:
    """`engine.graph.Runs` on a connection."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._c, self._now = session, now

    def get(self, run_id: str) -> Run | None:
        row = self._c.execute(GET, {"id": run_id}).first()
        return run_of(row) if row else None

    def next_id(self, ticket: TicketId) -> RunId:
        n = self._c.scalar(NEWEST_RUN, {"ticket": ticket_number(ticket)})
        return RunId(f"{ticket}.{(n or 0) + 1}")

    def add(self, run: Run) -> Run:
        if run.repo and self._c.scalar(SERVED, {"path": run.repo}) is None:
            self._c.execute(insert(s.repo).values(path=run.repo, served=0))
        self._c.execute(ADD_RUN, run_columns(run))
        self._event(run, "run.created", "", {})
        return run

    def move(self, run: Run, name: str, text: str = "", facts: Mapping[str, Any] | None = None, **changes: Any) -> Run:
        moved = replace(run, **changes, version=run.version + 1)
        lane = {"lane": lane_of(moved)} if moved.state is RunState.READY else {}
        self._set(run, {**stored(changes), **lane, "version": moved.version}, name)
        where_now = {"state": moved.state, "epoch": moved.epoch, "token": moved.token}
        self._event(moved, name, text, where_now | dict(facts or {}))
        return moved

    def _event(self, run: Run, name: str, text: str, facts: Mapping[str, Any]) -> None:
        row = {"run": run.id, "ticket": run.ticket, "at": seconds(self._now), "name": name, "turn": run.turn}
        row |= {"step": run.step, "text": text, "facts": as_json(facts), "version": run.version}
        self._c.execute(ADD_EVENT, row)

    def set_rung(self, run: Run, at: datetime, rings: int) -> None:
        self._set(run, {"rung_at": seconds(at), "rings": rings}, "rung")

    def _set(self, run: Run, values: dict[str, Any], name: str) -> None:
        where = {"of_run": run.id, "seen": run.version}
        if self._c.execute(_moving(frozenset(values)), values | where).rowcount != 1:
            raise LostError(run.id, f"moved on before '{name}'")

    def by_state(self, *states: str, limit: int = 1000) -> Sequence[Run]:
        runs = [run for state in states for run in self._all(OLDEST[state], limit=limit)]
        return sorted(runs, key=lambda run: run.created_at)[:limit]

    def due(self) -> Sequence[Run]:
        return self._all(DUE, now=seconds(self._now))

    def orphaned(self) -> Sequence[Run]:
        return self._all(ORPHANED)

    def waiting_for(self, why: Wait) -> Sequence[Run]:
        return self._all(WAITING_FOR, why=why)

    def any_ready(self) -> bool:
        return self._c.scalar(ANY_READY) is not None

    def live(self) -> Sequence[Candidate]:
        return [candidate_of(row) for look in HOLDING for row in self._c.execute(look)]

    def ready(self, room: Mapping[Segment, int]) -> Iterator[Candidate]:
        line = []
        for part, places in ((ACCUSED, 1), *room.items()):
            if places:
                for *row, lane, served in self._c.execute(HEADS, {"beyond": f"{part}\t", "until": f"{part}\n"}):
                    first = candidate_of(row)
                    line.append((self._place(first, served), places, lane, first))
        heapify(line)
        while line:
            (_, served, *_), places, lane, first = heappop(line)
            yield first
            if places > 1 and (behind := self._behind(lane, first)):
                heappush(line, (self._place(behind, served), places - 1, lane, behind))

    def _place(self, waiting: Candidate, served: int) -> tuple[int, int, datetime | None, str]:
        return urgency(waiting, self._now), served, waiting.ready_at, waiting.id

    def _behind(self, lane: str, first: Candidate) -> Candidate | None:
        assert first.ready_at is not None
        where = {"of_lane": lane, "since": seconds(first.ready_at), "after": first.id}
        row = self._c.execute(BEHIND, where).first()
        return candidate_of(row) if row else None

    def owned(self, worker: str) -> Sequence[Run]:
        return self._all(OWNED, owner=worker)

    def _all(self, query: Prepared | Select[Any], **values: object) -> Sequence[Run]:
        return [run_of(r) for r in self._c.execute(query, values)]

    def page(self, after: str, limit: int) -> Sequence[Run]:
        return self._all(select(s.run).where(s.run.c.id > after).order_by(s.run.c.id).limit(limit))

    def count(self) -> int:
        """Return how many runs there are, of any state."""
        return self._c.scalar(select(func.count()).select_from(s.run)) or 0

    def story(self, run_id: str) -> Sequence[Event]:
        rows = select(s.event).where(s.event.c.run == run_id, s.event.c.version.is_not(None)).order_by(s.event.c.id)
        return [event_of(r) for r in self._c.execute(rows)]

    def outcome(self, run_id: str, turn: int, step: Step) -> Outcome | None:
        row = self._c.execute(OUTCOME, {"run": run_id, "turn": turn, "step": step}).first()
        return _outcome_of(run_id, row.schema, row.body) if row else None

    def outcomes(self, run_id: str) -> Sequence[tuple[int, Step, Outcome]]:
        rows = self._c.execute(OUTCOMES_OF, {"run": run_id})
        journal = [(r.turn, Step(r.step), _outcome_of(run_id, r.schema, r.body)) for r in rows]
        return sorted(journal, key=lambda entry: (entry[0], ORDER.index(entry[1])))

    def add_outcome(self, run: Run, outcome: Outcome) -> None:
        if self._c.execute(OUTCOME, {"run": run.id, "turn": run.turn, "step": run.step}).first():
            raise StoreError(run.id, f"an outcome of {run.step} in turn {run.turn} is on record already")
        row = {"run": run.id, "turn": run.turn, "step": run.step, "schema": SCHEMA, "body": outcome.model_dump_json()}
        self._c.execute(ADD_OUTCOME, row | {"token": run.token, "at": seconds(self._now)})

    def add_attempt(self, run: Run, tried: Tried, to_agent: str = "") -> None:
        row = {
            "run": run.id,
            "turn": run.turn,
            "step": run.step,
            "token": run.token,
            "failure": tried.failure,
            "detail": tried.detail,
            "agent": tried.agent or run.agent,
            "to_agent": to_agent,
            "session_id": tried.session_id,
            "transcript": tried.transcript,
            "transcript_sha256": tried.transcript_sha256,
            "resets_at": seconds(tried.resets_at) if tried.resets_at else None,
            "at": seconds(self._now),
        }
        self._c.execute(insert(s.attempt), [row])

    def attempts(self, run_id: str) -> Sequence[AttemptRecord]:
        rows = self._c.execute(ATTEMPTS_OF, {"run": run_id})
        return [
            AttemptRecord(
                at=moment_of(r.at),
                turn=r.turn,
                step=r.step,
                failure=Failure(r.failure),
                agent=r.agent,
                to_agent=r.to_agent,
                detail=r.detail,
                resets_at=moment(r.resets_at),
            )
            for r in rows
        ]

    def stream(self, claim: Claim, events: Iterable[StreamEvent]) -> None:
        run = self.get(claim.run.id)
        if run is None or run.token != claim.token or run.state is not RunState.RUNNING:
            raise LostError(claim.run.id, "its token is not current")
        at, base = seconds(self._now), {"run": run.id, "ticket": run.ticket, "turn": run.turn, "step": run.step}
        rows = [
            base | {"at": at, "name": e.name, "text": e.text, "facts": as_json(e.facts), "version": None}
            for e in events
        ]
        if rows:
            self._c.execute(ADD_EVENT, rows)

    def beat(self, worker: str, claims: Sequence[Claim]) -> Mapping[str, Run]:
        held = {(c.run.id, c.token) for c in claims}
        mine = [r for r in self.owned(worker) if (r.id, r.token) in held]
        if mine:
            self._c.execute(BEAT, [{"of": r.id} for r in mine])
        return {r.id: r for r in mine}

    def serve(self, repo: str) -> None:
        self._c.execute(SERVE, {"of": repo, "n": 1 + (self._c.scalar(NEWEST_SERVICE) or 0)})

    def spend(self, run: Run, reserve_micros: int, actual_micros: int | None) -> int:
        micros, settled = (reserve_micros, False) if actual_micros is None else (actual_micros, True)
        spending.put(self._c, run, micros, self._now, settled=settled)
        return self.spent(run=run.id)

    def spent(self, *, run: str = "", ticket: str = "", account: str = "", since: datetime | None = None) -> int:
        return spending.total(self._c, run, ticket, account, since)


@lru_cache(maxsize=512)  # outcomes are final, and each step of a run reads those before it
def _outcome_of(run_id: str, version: int, body: str) -> Outcome:
    if version > SCHEMA:
        raise MigrationError(
            run_id, f"an outcome has schema {version}, this version knows {SCHEMA}", hint="upgrade Loopy"
        )
    return OUTCOMES.validate_json(body)
