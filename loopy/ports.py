"""Every port of Loopy on one page: what the steps and the engine need of the world, and nothing of how it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.change import Change
from loopy.domain.check import CheckReport, CheckSpec
from loopy.domain.effect import Effect
from loopy.domain.events import StreamEvent
from loopy.domain.held import Held
from loopy.domain.plan import Plan
from loopy.domain.policy import Policy
from loopy.domain.states import Step
from loopy.domain.ticket import RunId, Ticket


class Clock(Protocol):
    """Time: the wall's, and the time this host has been awake."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        ...

    def awake(self) -> float:
        """Return seconds on a monotonic clock; only differences mean anything."""
        ...


class Doorbell(Protocol):
    """The queue: it wakes a worker. Losing, doubling or reordering a ring costs time, never work."""

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        """Send one chain of `loopy.<step>(run_id, epoch)`; False when the broker cannot be reached in about a second."""
        ...


class Leash(Protocol):
    """What a step holds while it acts outside: its right to act, and the word to stop."""

    @property
    def run_id(self) -> str:
        """The run that is acted for."""
        ...

    @property
    def token(self) -> int:
        """The fence of this claim."""
        ...

    def authorised(self) -> bool:
        """Look in the work graph whether the token is current; asked after the run's kernel lock is held (rule 9)."""
        ...

    def stopping(self) -> str | None:
        """Return why to stop now ("cancelled", "lost", "draining"), else None. Cheap; asked several times a second."""
        ...

    def emit(self, *events: StreamEvent) -> None:
        """Append to the live stream; batched, token-checked, never blocks for long."""
        ...


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run's own disposable clone: `tree` is where the agent works, `folder` holds transcripts, evidence, receipt."""

    run_id: str
    repo: str
    base: str
    tree: Path
    folder: Path
    lock: Path  # the run's kernel lock (rule 9)
    objects: Path | None = None  # what the tree's git dir borrows its objects from


@dataclass(frozen=True, slots=True)
class Tip:
    """The head of a repository's target branch as freshly fetched."""

    commit: str
    branch: str


class Repositories(Protocol):
    """Read access to a repository at a commit, through Loopy's own bare mirror; no work tree is interpreted."""

    def tip(self, repo: str) -> Tip:
        """Fetch and return the tip of the default branch. Raises WorkspaceError for no repository or no commits."""
        ...

    def files(self, repo: str, commit: str) -> Sequence[str]:
        """Return every path of the commit's tree."""
        ...

    def read(self, repo: str, commit: str, path: str, limit: int = 1_000_000) -> bytes | None:
        """Return a file's bytes at the commit (at most `limit`), None when absent."""
        ...

    def grep(self, repo: str, commit: str, words: Sequence[str], limit: int = 200) -> Mapping[str, int]:
        """Return path → number of matching lines for any of the words, case-insensitive, best first."""
        ...

    def contains(self, repo: str, tip: str, commit: str) -> bool:
        """Whether the commit is the tip or one of its ancestors; False for a commit that is not known."""
        ...

    def origin(self, repo: str) -> str:
        """Return the URL or path of a local repository's own `origin`, "" when it has none."""
        ...


class Workspaces(Protocol):
    """Workspaces, snapshots and the commits that ship (DESIGN §7)."""

    def open(self, run_id: RunId, repo: str, base: str) -> Workspace:
        """Return the run's workspace, made atomically from the mirror at `base` if it is not there (or is broken)."""
        ...

    def snapshot(self, place: Workspace, token: int) -> Change:
        """Take an immutable tree of the work tree through a private git dir; nothing of the agent's git dir is run."""
        ...

    def checkout(self, place: Workspace, tree: str, token: int) -> AbstractContextManager[Path]:
        """Give a clean checkout of the tree, outside the agent's reach, removed at the end."""
        ...

    def commit(self, place: Workspace, change: Change, message: str, when: datetime) -> str:
        """Commit the tree on its base with fixed author, committer and dates; equal inputs give an equal id."""
        ...

    def rebase(self, place: Workspace, change: Change, onto: str, token: int) -> Change | None:
        """Return the change on a newer base (work tree moved along), None when it conflicts."""
        ...

    def diff(self, place: Workspace, change: Change, limit: int = 200_000) -> str:
        """Return the text patch of the change, made with pinned flags, for people and handoff notes."""
        ...

    def patch(self, place: Workspace, change: Change) -> bytes:
        """Return the whole patch of the change, binary files too, as `git apply` takes it; made with pinned flags."""
        ...

    def bundle(self, place: Workspace, commit: str, ref: str) -> bytes:
        """Return a git bundle that brings the commit, under this ref, to whoever has the run's base."""
        ...

    def remove(self, run_id: RunId) -> None:
        """Delete the run's work tree; the run's folder with evidence and receipt stays."""
        ...


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is told for one turn: the prompt, and the session to resume if it is the same agent's.

    By `policy` the driver answers what the agent asks before it acts, where it does; the gate judges the change in any case.
    An agent that says that it cost more than `budget_micros` is ended.
    """

    prompt: str
    turn: int
    session_id: str = ""
    policy: Policy = field(default_factory=Policy)
    budget_micros: int | None = None


class Driver(Protocol):
    """Drives one agent for one turn in a workspace, in a guard, live into the stream."""

    def turn(self, agent: Agent, brief: Brief, place: Workspace, leash: Leash) -> Turned | Tried:
        """Run the agent to its end. Limits, crashes, silence and cancels come back as `Tried`, never as exceptions."""
        ...

    def health(self, agent: Agent) -> tuple[bool, str]:
        """Return whether the agent's program is there and usable, and the version or the reason; cached briefly."""
        ...


class Checker(Protocol):
    """Runs set-up and checks in a clean checkout, in a guard, output kept and capped."""

    def run(
        self,
        specs: Sequence[CheckSpec],
        setup: Sequence[Sequence[str]],
        tree: str,
        at: Path,
        place: Workspace,
        leash: Leash,
    ) -> CheckReport | Tried:
        """Run set-up once, then every check, whatever fails; a failed set-up is a failed check named `setup`."""
        ...


class Planner(Protocol):
    """Turns a ticket into a plan."""

    def plan(self, ticket: Ticket, repo: str, tip: Tip, lessons: Sequence[str]) -> Plan:
        """Return a plan for the ticket on this tip."""
        ...


@dataclass(frozen=True, slots=True)
class Reach:
    """What a boxed command needs beside the programs of the system; what is not named here is not there for it.

    `env` is the command's environment: its PATH and the toolchains that it names can be read.
    """

    work: Path  # to write; a git dir in it is only read
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stand_ins: Mapping[Path, Path] = field(default_factory=dict)  # what is to be seen at a place instead, to write
    opens_program: bool = False  # the operator named the program, so the folder that it lies in may be read


class Sandbox(Protocol):
    """How a command is boxed in; grade "none" is said aloud wherever a run shows."""

    @property
    def held(self) -> Held:
        """What holds the command."""
        ...

    @property
    def keeper(self) -> bool:
        """Whether the wrapped command's own process is the box itself: with it, all that is inside ends at once."""
        ...

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        """Return the argv that runs the command boxed in. Raises ProcessError when it would open what must stay shut."""
        ...


class Remote(Protocol):
    """The other side of an effect: asked first, acted on in a guard, asked again (rule 15)."""

    def look(self, effect: Effect, place: Workspace, leash: Leash) -> str | None:
        """Return the object id that the target's ref holds, "" when it is absent; None when it cannot be asked."""
        ...

    def push(self, effect: Effect, place: Workspace, leash: Leash, timeout_s: float) -> str:
        """Push the commit with `--force-with-lease` on `expected`; "" for sent, else the refusal's words."""
        ...


class Policies(Protocol):
    """The policy that governs a run, merged by authority: operator > agent > repository at base > ticket."""

    def policy(self, agent: Agent | None, repo: str, base: str) -> Policy:
        """Return the effective policy; each lower authority only tightens."""
        ...


class Fleet(Protocol):
    """The agents that exist."""

    def agents(self) -> Mapping[str, Agent]:
        """Return every agent by name."""
        ...


Crashpoint = Callable[[str], None]
StepName = Step | str
