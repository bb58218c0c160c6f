"""Between rows and values: times, JSON, ids and the run's row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

from sqlalchemy import Row

from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import NotFoundError
from loopy.domain.events import Event
from loopy.domain.run import Candidate, Run
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import Resolution, RunId, Ticket, TicketId, Trust
from loopy.store.schema import run

PREFIX = "LP-"
RUN_COLUMNS = tuple(f.name for f in fields(Run))
TIMES = frozenset({"created_at", "wake_at", "rung_at", "ready_at", "ended_at", "closed_at", "answered_at", "pushed_at"})


def seconds(at: datetime) -> float:
    """Return a time as stored."""
    return at.timestamp()


def moment(stored: float | None) -> datetime | None:
    """Return a stored time as aware UTC."""
    return None if stored is None else datetime.fromtimestamp(stored, UTC)


def moment_of(stored: float) -> datetime:
    """Return a stored time that is never null."""
    return datetime.fromtimestamp(stored, UTC)


def ticket_id(n: int) -> TicketId:
    """Return the public id of ticket number `n`."""
    return TicketId(f"{PREFIX}{n}")


def ticket_number(public: str) -> int:
    """Return the number in "LP-12" (or "12"). Raises NotFoundError for anything else."""
    digits = public.upper().removeprefix(PREFIX)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 15:
        raise NotFoundError("ticket", f"'{public}' is not a ticket id", hint="ids look like LP-12")
    return int(digits)


def stored(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return domain values as column values."""
    return {k: seconds(v) if isinstance(v, datetime) else v for k, v in changes.items()}


def as_json(facts: Mapping[str, Any] | None) -> str:
    """Return facts as compact JSON."""
    return json.dumps(facts, separators=(",", ":"), default=str) if facts else "{}"


def _known(kind: type[StrEnum]) -> Callable[[str], Any]:
    members: dict[str, Any] = {member.value: member for member in kind}
    return lambda stored: members.get(stored) or kind(stored)


CONVERTED: dict[str, Callable[[Any], Any]] = {
    "id": RunId,
    "ticket": ticket_id,
    "state": _known(RunState),
    "segment": _known(Segment),
    "step": _known(Step),
    "wait": _known(Wait),
    "verdict": _known(Verdict),
    **{name: moment_of for name in RUN_COLUMNS if name in TIMES},
}
ACCUSED = "accused"
CANDIDATE_COLUMNS = tuple(f.name for f in fields(Candidate))
_in_order = itemgetter(*(run.columns.keys().index(name) for name in RUN_COLUMNS))
_converted = tuple((RUN_COLUMNS.index(name), convert) for name, convert in CONVERTED.items())
_seen = CONVERTED | {"ready_at": moment}
_of_candidate = tuple((n, _seen[name]) for n, name in enumerate(CANDIDATE_COLUMNS) if name in _seen)


def run_of(row: Sequence[Any]) -> Run:
    """Return a row of `schema.run`, its columns in the table's order, as the domain's value."""
    values = list(_in_order(row))
    for n, convert in _converted:
        if values[n] is not None:
            values[n] = convert(values[n])
    return Run(*values)


def candidate_of(row: Sequence[Any]) -> Candidate:
    """Return a row of these columns as what admission sees of a run."""
    values = list(row)
    for n, convert in _of_candidate:
        values[n] = convert(values[n])
    return Candidate(*values)


def lane_of(run: Run) -> str:
    """Return what runs must be alike in so that none of them can go where another cannot; in it the oldest goes first.

    The lanes of one segment lie together, and so do those of the accused, which block all others.
    """
    wants = (run.priority, run.segment, run.step, run.agent, run.account, run.repo, run.mission, run.suspect)
    return f"{ACCUSED if run.accused else run.segment}\t{json.dumps(wants)}"


def run_columns(run: Run) -> dict[str, Any]:
    """Return a new run as column values."""
    values = stored({name: getattr(run, name) for name in RUN_COLUMNS})
    return values | {"ticket": ticket_number(run.ticket), "n": int(run.id.rpartition(".")[2]), "lane": lane_of(run)}


def ticket_of(row: Row[Any], needs: tuple[int, ...]) -> Ticket:
    """Return a ticket's row with its dependencies as the domain's value."""
    return Ticket(
        id=ticket_id(row.n),
        title=row.title,
        body=row.body,
        repo=row.repo,
        assignee=row.assignee,
        priority=row.priority,
        labels=tuple(json.loads(row.labels)),
        depends_on=tuple(ticket_id(n) for n in needs),
        source=row.source,
        source_trust=Trust(row.source_trust),
        created_at=moment_of(row.created_at),
        closed_at=moment(row.closed_at),
        resolution=Resolution(row.resolution) if row.resolution else None,
    )


def effect_of(row: Row[Any]) -> Effect:
    """Return an effect's row as the domain's value."""
    return Effect(
        run=row.run,
        kind=EffectKind(row.kind),
        ordinal=row.ordinal,
        state=EffectState(row.state),
        token=row.token,
        commit=row.commit,
        target=row.target,
        ref=row.ref,
        expected=row.expected,
        at=moment_of(row.at),
        detail=row.detail,
    )


def event_of(row: Row[Any]) -> Event:
    """Return an event's row as the domain's value."""
    return Event(
        id=row.id,
        run=row.run,
        ticket=row.ticket,
        at=moment_of(row.at),
        name=row.name,
        turn=row.turn,
        step=row.step,
        text=row.text,
        facts=json.loads(row.facts),
        version=row.version,
    )
