"""A run: one execution of a ticket, as the one row whose compare-and-set moves are the engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import RunId, TicketId

STRIKES = 4  # worker deaths that end a run; the last one only if nothing else ran


class Mortal:
    """What the deaths of its workers make of a run."""

    __slots__ = ()
    deaths: int
    strikes: int

    @property
    def suspect(self) -> bool:
        """Whether it is re-admitted alone: it was there at two worker deaths in a row (rule 18)."""
        return self.deaths >= 2

    @property
    def accused(self) -> bool:
        """Whether one death more ends it: so that no other can be to blame for that one, it runs alone (rule 18)."""
        return self.strikes >= STRIKES - 1


@dataclass(frozen=True, slots=True)
class Candidate(Mortal):
    """As much of a run as admission looks at: what it wants of the slots, or holds of them, and since when it is ready."""

    id: RunId
    repo: str
    segment: Segment
    step: Step
    agent: str
    account: str
    mission: str
    priority: int
    ready_at: datetime | None
    deaths: int
    strikes: int


@dataclass(frozen=True, slots=True)
class Run(Mortal):
    """The run's row as read; every change of it is one transition and adds one to `version`.

    `epoch` is the address on a message, `token` the fence on every write. `beat` counts the owner's heartbeats.
    `tree` and `digest` name the newest snapshot and its raw diff; `base` the commit it stands on.
    """

    id: RunId
    ticket: TicketId
    repo: str
    state: RunState
    segment: Segment
    step: Step
    turn: int
    epoch: int
    token: int
    version: int
    created_at: datetime
    owner: str | None = None
    host: str = ""
    beat: int = 0
    wait: Wait | None = None
    wake_at: datetime | None = None
    cancel: bool = False
    rung_at: datetime | None = None
    rings: int = 0
    verdict: Verdict | None = None
    reason: str = ""
    agent: str = ""
    account: str = ""
    wanted_agent: str = ""  # what a person asked for; the route records an override
    base: str = ""
    tree: str = ""
    digest: str = ""
    priority: int = 2
    ready_at: datetime | None = None
    failover: bool = True  # false: a person wants no other agent, so it waits for its own reset
    moves: int = 0  # failovers in this turn
    deaths: int = 0  # deaths of its workers in a row, in whatever company; a suspect from the second on
    strikes: int = 0  # of these, the ones for which it was suspected
    bare: bool = False  # ends with a receipt only
    mission: str = ""
    head: str = ""  # the commit that shipped
    forked_from: str = ""
    ended_at: datetime | None = None

    @property
    def live(self) -> bool:
        """Whether it holds a slot."""
        return self.state in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to perform one step: the run as claimed, fenced by `run.token`."""

    run: Run
    worker: str

    @property
    def token(self) -> int:
        """The fence that every later write must match."""
        return self.run.token
