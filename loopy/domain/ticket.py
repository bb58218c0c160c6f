"""A ticket: a unit of work, assignable to an agent or to a person."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NewType

from pydantic import Field, field_validator

from loopy.domain.errors import ConfigError
from loopy.domain.value import Value

TicketId = NewType("TicketId", str)  # "LP-12"
RunId = NewType("RunId", str)  # "LP-12.3"

TITLE_MAX, BODY_MAX = 200, 200_000


class Trust(StrEnum):
    """How far the author of a ticket's text is trusted."""

    OWNER = "owner"
    MEMBER = "member"
    PUBLIC = "public"


class Resolution(StrEnum):
    """How a ticket was closed."""

    SHIPPED = "shipped"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Ticket(Value):
    """A unit of work; `assignee` is an agent's name, or `person:NAME` for work done by hand."""

    id: TicketId
    title: str
    body: str = ""
    repo: str = ""  # absolute path or URL of the repository
    assignee: str = ""
    priority: int = Field(default=2, ge=0, le=4)  # 0 is the most urgent
    labels: tuple[str, ...] = ()
    depends_on: tuple[TicketId, ...] = ()
    source: str = "cli"
    source_trust: Trust = Trust.OWNER
    created_at: datetime
    closed_at: datetime | None = None
    resolution: Resolution | None = None

    @property
    def text(self) -> str:
        """The whole request: title, then body."""
        return f"{self.title}\n\n{self.body}".strip()

    @field_validator("title")
    @classmethod
    def _has_title(cls, title: str) -> str:
        cleaned = " ".join(title.replace("\0", " ").split())
        if not cleaned:
            raise ConfigError("ticket.title", "a ticket needs a title", hint="say in one line what should be done")
        return cleaned[:TITLE_MAX]

    @field_validator("body")
    @classmethod
    def _bounded_body(cls, body: str) -> str:
        if len(body) > BODY_MAX:
            raise ConfigError("ticket.body", f"{len(body):,} characters", hint=f"at most {BODY_MAX:,}; attach the rest")
        return body.replace("\0", "")


class Comment(Value):
    """A remark on a ticket by a person, an agent or Loopy itself."""

    ticket: TicketId
    by: str
    text: str
    at: datetime
