"""Events: what the log, the live stream and the metrics render. Names are noun.past-verb, or agent.* for a stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

AgentEventName = Literal[
    "agent.started",
    "agent.message",
    "agent.thought",
    "agent.tool",
    "agent.file",
    "agent.usage",
    "agent.limit",
    "agent.error",
    "agent.output",
    "agent.result",
]


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something an agent or a check said while it ran; written in batches under the claim's token."""

    name: str  # an AgentEventName, or "check.started", "check.finished", "step.progress"
    text: str = ""
    facts: Mapping[str, str | int | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the event log; `version` numbers the run's transitions without a gap, None for stream events."""

    id: int
    run: str
    ticket: str
    at: datetime
    name: str
    turn: int
    step: str
    text: str
    facts: Mapping[str, str | int | bool | None]
    version: int | None
