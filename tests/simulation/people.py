"""The people of a seed: they file, look into the inbox, answer, and change their minds."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from loopy.domain.errors import LoopyError
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Wait
from loopy.domain.ticket import Ticket, TicketId

if TYPE_CHECKING:
    from tests.simulation.host import Host

DEADLY = (Step.CODE, Step.CHECK, Step.EVIDENCE, Step.SHIP)  # those that open a workspace


def file(host: Host, title: str, depends_on: tuple[TicketId, ...] = ()) -> TicketId:
    """File a ticket and start it."""
    ticket = Ticket(
        id=TicketId(""),
        title=title,
        repo=host.rng.choice(("/srv/one", "/srv/two")),
        created_at=host.clockwork.now(),
    )
    ticket = ticket.model_copy(
        update={
            "depends_on": depends_on,
            "assignee": host.rng.choice(("", "a", "b")),
            "priority": host.rng.randint(0, 3),
        }
    )
    filed = host.intake.file(ticket)
    if host.rng.random() < 0.08:  # whatever works on it dies of it
        host.poison[filed.id] = host.rng.choice(DEADLY)
    host.intake.start(filed.id, "person")
    return filed.id


def attend(host: Host, *, patient: bool) -> None:
    """Look into the inbox once and act on what is there, as a person would; sooner or later everything is answered."""
    for run in list(host.graph.rows.runs.values()):
        if run.state is not RunState.WAITING or (patient and host.rng.random() < 0.7):
            continue
        with suppress(LoopyError):
            _decide(host, run)


def _decide(host: Host, run: Run) -> None:
    if run.wait is Wait.APPROVAL:
        host.intake.answer(run.id, "approve" if host.rng.random() < 0.85 else "reject", "person")
    elif run.wait is Wait.QUESTION:
        host.intake.resume(run.id, "person", give_up=host.rng.random() < 0.3)
    elif run.wait is Wait.DEPENDENCY and not _may_come(host, run):
        host.intake.cancel(run.ticket, "person")


def _may_come(host: Host, run: Run) -> bool:
    needs = host.graph.rows.tickets[int(run.ticket.removeprefix("LP-"))].depends_on
    others = [r for r in host.graph.rows.runs.values() if r.ticket in needs]
    host.outside.contained |= {r.head for r in others if r.head}
    return any(r.state is not RunState.ENDED or r.head for r in others)
