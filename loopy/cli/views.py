"""Tickets and runs as rows for people and as objects for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loopy.cli.paper import Cell, line
from loopy.cli.status import Status, status_of
from loopy.domain.run import Run
from loopy.domain.ticket import Ticket

if TYPE_CHECKING:
    from loopy.store.board import Card

SHOWN = (
    "id",
    "ticket",
    "repo",
    "state",
    "segment",
    "step",
    "turn",
    "agent",
    "wait",
    "wake_at",
    "cancel",
    "verdict",
    "reason",
    "created_at",
    "ended_at",
    "base",
    "tree",
    "head",
    "forked_from",
)


def run_json(run: Run | None) -> dict[str, Any] | None:
    """Return a run as an object; None stays None."""
    return None if run is None else {name: getattr(run, name) for name in SHOWN}


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """Return a ticket as an object."""
    return ticket.model_dump(mode="json")


def card_json(card: Card, now: datetime) -> dict[str, Any]:
    """Return a ticket with its displayed status and its newest run."""
    status = status_of(card, now)
    run = card.run
    return {
        "ticket": ticket_json(card.ticket),
        "status": status.word,
        "why": status.why,
        "run": run_json(run),
        "since": card.moved.at if card.moved else None,
        "moved": line(card.moved.text) if card.moved else "",
        "said": line(card.said.text) if card.said else "",
    }


def card_row(card: Card, status: Status) -> Sequence[Cell]:
    """Return a card as a row: status, id, title, why."""
    name = card.run.id if card.run else card.ticket.id
    return (
        (f"{status.mark} {status.word}", status.ink),
        (name, "strong"),
        line(card.ticket.title, 48),
        (status.why, "quiet" if status.ink != "need" else "need"),
    )


def short(repo: str) -> str:
    """Return the last two parts of a repository's address."""
    return "/".join(line(repo).rstrip("/").split("/")[-2:])
