"""The work graph as the engine sees it: rows read and changed inside one transaction, and nothing about SQL.

Invariant: every transition of a run is one `runs.move` (a compare-and-set on `version`), which also writes the
transition's event; whatever must be true with it is written through the same `Tx`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from loopy.domain.agent import Tried
from loopy.domain.events import Event, StreamEvent
from loopy.domain.evidence import AttemptRecord
from loopy.domain.outcome import Outcome
from loopy.domain.run import Candidate, Claim, Run
from loopy.domain.states import Segment, Step, Wait
from loopy.domain.ticket import Comment, RunId, Ticket, TicketId
from loopy.engine.books import Approvals, Effects, Fleetbook, Receipts


class Runs(Protocol):
    """The run rows, outcomes, attempts and events."""

    def get(self, run_id: str) -> Run | None:
        """Return the row, locked for this transaction."""
        ...

    def add(self, run: Run) -> Run:
        """Insert a new run with its first event."""
        ...

    def next_id(self, ticket: TicketId) -> RunId:
        """Return the ticket's next run id."""
        ...

    def move(self, run: Run, name: str, text: str = "", facts: Mapping[str, Any] | None = None, **changes: Any) -> Run:
        """Compare-and-set `changes`, add one to `version`, append the event. Raises LostError when the row moved."""
        ...

    def set_rung(self, run: Run, at: datetime, rings: int) -> None:
        """Note a ring; no transition, so the version stays."""
        ...

    def by_state(self, *states: str, limit: int = 1000) -> Sequence[Run]:
        """Return runs in these states, oldest first."""
        ...

    def due(self) -> Sequence[Run]:
        """Return waiting runs whose time has come, the longest overdue first, without those that are `orphaned`."""
        ...

    def orphaned(self) -> Sequence[Run]:
        """Return cancelled runs without an owner that are not on their way to the end."""
        ...

    def waiting_for(self, why: Wait) -> Sequence[Run]:
        """Return the runs that wait for this, oldest first."""
        ...

    def any_ready(self) -> bool:
        """Return whether a run waits for admission."""
        ...

    def live(self) -> Sequence[Candidate]:
        """Return what holds slots: the queued and running runs."""
        ...

    def ready(self, room: Mapping[Segment, int]) -> Iterable[Candidate]:
        """Yield ready runs in the order of admission: by urgency, least recently served repo first, then who waits longest.

        Of those that are alike in all that admission asks (a lane) only so many as their segment has room for, so that a
        crowd before one full slot hides nobody else and costs nothing; an accused one always, since nobody may pass it.
        """
        ...

    def owned(self, worker: str) -> Sequence[Run]:
        """Return the running rows of a worker."""
        ...

    def page(self, after: str, limit: int) -> Sequence[Run]:
        """Return runs of any state whose id comes after this one, in the order of their ids."""
        ...

    def story(self, run_id: str) -> Sequence[Event]:
        """Return the events of the run's transitions, in order; what was streamed is left out."""
        ...

    def outcome(self, run_id: str, turn: int, step: Step) -> Outcome | None:
        """Return a recorded outcome. Raises MigrationError for one of a newer schema (rule 19)."""
        ...

    def outcomes(self, run_id: str) -> Sequence[tuple[int, Step, Outcome]]:
        """Return every outcome of the run in order."""
        ...

    def add_outcome(self, run: Run, outcome: Outcome) -> None:
        """Insert the final outcome of (run, turn, step); a second one raises."""
        ...

    def add_attempt(self, run: Run, tried: Tried, to_agent: str = "") -> None:
        """Append a try that was not an outcome."""
        ...

    def attempts(self, run_id: str) -> Sequence[AttemptRecord]:
        """Return the run's attempts in order."""
        ...

    def stream(self, claim: Claim, events: Iterable[StreamEvent]) -> None:
        """Append stream events under the claim's token. Raises LostError when it is not current."""
        ...

    def beat(self, worker: str, claims: Sequence[Claim]) -> Mapping[str, Run]:
        """Add one heartbeat to every claim that is still current; return those rows by run id."""
        ...

    def serve(self, repo: str) -> None:
        """Note that this repository was served last."""
        ...

    def spend(self, run: Run, reserve_micros: int, actual_micros: int | None) -> int:
        """Reserve (or settle) a turn's budget; return what the run has spent and reserved in all, in micros."""
        ...

    def spent(self, *, run: str = "", ticket: str = "", account: str = "", since: datetime | None = None) -> int:
        """Return what was spent and reserved in all, in micros, of what meets every condition that is given."""
        ...


class Tickets(Protocol):
    """Tickets, dependencies and comments."""

    def add(self, ticket: Ticket) -> Ticket:
        """Insert; the id is given here."""
        ...

    def get(self, ticket_id: str) -> Ticket | None:
        """Return the ticket, locked for this transaction."""
        ...

    def change(self, ticket_id: str, **changes: Any) -> None:
        """Set columns of the ticket."""
        ...

    def runs(self, ticket_id: str) -> Sequence[Run]:
        """Return the ticket's runs, oldest first."""
        ...

    def dependents(self, ticket_id: str) -> Sequence[TicketId]:
        """Return the tickets that wait for this one."""
        ...

    def comment(self, comment: Comment) -> None:
        """Append a comment."""
        ...


class Tx(Protocol):
    """One transaction, at the time `now`."""

    @property
    def now(self) -> datetime: ...  # noqa: D102
    @property
    def runs(self) -> Runs: ...  # noqa: D102
    @property
    def tickets(self) -> Tickets: ...  # noqa: D102
    @property
    def effects(self) -> Effects: ...  # noqa: D102
    @property
    def approvals(self) -> Approvals: ...  # noqa: D102
    @property
    def receipts(self) -> Receipts: ...  # noqa: D102
    @property
    def fleet(self) -> Fleetbook: ...  # noqa: D102


class Graph(Protocol):
    """The store: transactions to write, a snapshot to read."""

    def write(self, *, full: bool = False) -> AbstractContextManager[Tx]:
        """Open a writing transaction; `full` makes it survive a power cut (effects, approvals, receipts)."""
        ...

    def read(self) -> AbstractContextManager[Tx]:
        """Open a reading transaction; writing through it is an error."""
        ...

    def version(self) -> int:
        """Return a number that changes when any process has written; cheap enough to ask many times a second."""
        ...

    def events(self, after: int, run: str = "", limit: int = 500) -> Sequence[Event]:
        """Return events with id above `after`, oldest first."""
        ...

    def checkpoint(self) -> None:
        """Fold the write-ahead log back when it has grown; nothing to do where there is none. Raises StoreError."""
        ...
