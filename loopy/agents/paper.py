"""A leash on paper: what a driver needs of a run where there is none, as in trials and scenarios."""

from __future__ import annotations

from dataclasses import dataclass, field

from loopy.domain.events import StreamEvent


@dataclass
class PaperLeash:
    """`ports.Leash` of a turn that belongs to no run: nobody else has a claim, and nothing is written down."""

    run_id: str
    token: int = 1
    events: list[StreamEvent] = field(default_factory=list)

    def authorised(self) -> bool:
        """Nobody can take the turn away."""
        return True

    def stopping(self) -> str | None:
        """Nobody stops it but its own deadlines."""
        return None

    def emit(self, *events: StreamEvent) -> None:
        """Keep what is said."""
        self.events += events
