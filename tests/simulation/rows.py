"""The rows of the in-memory graph: one value per transaction, copied to begin and kept to commit."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from loopy.domain.effect import Effect
from loopy.domain.events import Event
from loopy.domain.evidence import AttemptRecord
from loopy.domain.outcome import Outcome
from loopy.domain.run import Run
from loopy.domain.states import Step
from loopy.domain.ticket import Comment, Ticket
from loopy.engine.books import Approval, Cooldown, ReceiptRow, Worker


@dataclass
class Rows:
    """Every table; the values in them are frozen, so a copy of the tables is a snapshot."""

    tickets: dict[int, Ticket] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    outcomes: dict[tuple[str, int, Step], Outcome] = field(default_factory=dict)
    attempts: dict[str, tuple[AttemptRecord, ...]] = field(default_factory=dict)
    events: dict[str, tuple[Event, ...]] = field(default_factory=dict)
    effects: dict[tuple[str, str, int], Effect] = field(default_factory=dict)
    approvals: dict[int, Approval] = field(default_factory=dict)
    receipts: dict[int, ReceiptRow] = field(default_factory=dict)
    cooldowns: dict[str, Cooldown] = field(default_factory=dict)
    spend: dict[tuple[str, int, int], tuple[int, str, datetime]] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    served: dict[str, int] = field(default_factory=dict)
    audit: list[tuple[datetime, str, str, str, Any]] = field(default_factory=list)
    last_event: int = 0

    def copy(self) -> Self:
        """Return tables of their own over the same values."""
        return type(self)(**{f.name: _copied(getattr(self, f.name)) for f in fields(self)})


def _copied(table: Any) -> Any:
    return table.copy() if isinstance(table, dict | list) else table
