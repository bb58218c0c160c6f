"""The scenarios: what the scripted model plays in each, and what Loopy must make of it, whatever the CLI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from loopy.agents.scripted.setup import Drive
from loopy.agents.spec import Scene, Spec
from loopy.domain.agent import Tried, Turned
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure

TURNED, ANEW = "turned", "anew"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario: what it is about, what the model plays, and what may come of it."""

    name: Scene
    about: str
    ends: frozenset[str]
    plays: str = ""  # "": what its name says
    drive: Literal["", "acp"] = ""  # over this way only

    @property
    def played(self) -> str:
        """The model server's name for it."""
        return self.plays or self.name


def _scenario(name: Scene, about: str, *ends: str, plays: str = "", drive: Literal["", "acp"] = "") -> Scenario:
    return Scenario(name, about, frozenset(map(str, ends)), plays, drive)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        one.name: one
        for one in (
            _scenario("ok", "writes a file and mends another", TURNED),
            _scenario("resume", "takes its session up by the id", TURNED, plays="chat"),
            _scenario("unknown", "begins anew for a session that is nobody's", TURNED, plays="chat"),
            _scenario("denied", "is refused what the policy denies", *(TURNED, *Failure), plays="ok", drive="acp"),
            _scenario("usage", "a plan's limit, for an hour", Failure.QUOTA),
            _scenario("usage2", "the same after the first tool call", Failure.QUOTA),
            _scenario("quota", "no credit", Failure.BILLING, Failure.QUOTA),
            _scenario("auth", "a wrong key", Failure.AUTH),
            _scenario("overflow", "too long a prompt", Failure.CONTEXT_OVERFLOW),
            _scenario("overload", "the provider is overloaded", Failure.CAPACITY),
            _scenario("hang", "the server never answers", Failure.AGENT_STALLED),
            # the next look at the tree decides
            _scenario(
                "cut", "the stream breaks off", Failure.CAPACITY, Failure.AGENT_CRASH, Failure.AGENT_STALLED, TURNED
            ),
        )
    }
)


@dataclass(kw_only=True)
class Played:
    """What one scenario came to with one CLI, and what was seen of it."""

    cli: str
    scenario: str
    came_to: Turned | Tried
    seconds: float = 0.0
    drive: Drive = "print"
    events: list[StreamEvent] = field(default_factory=list)
    alive: list[str] = field(default_factory=list)  # processes that outlived the turn
    session: str = ""  # the one to resume
    mended: bool = False  # app.py was changed
    noted: bool = False  # NOTES.md was written
    anew: bool = False  # the CLI did not know the session
    asked: int = 0  # calls of the model

    @property
    def word(self) -> str:
        """The failure's class, `turned`, or `anew` for a session that was to be resumed and was not known."""
        if isinstance(self.came_to, Tried):
            return str(self.came_to.failure)
        return ANEW if self.anew and self.scenario == "resume" else TURNED

    @property
    def refused(self) -> bool:
        """Whether the policy refused something."""
        return any(event.facts.get("phase") == "refused" for event in self.events)


def names_for(drive: Drive, spec: Spec | None = None) -> tuple[str, ...]:
    """Return the scenarios of this way to drive a CLI, in order; without the refusal for one that never asks."""
    block = spec.acp if spec else None
    unasked = block is not None and block.asks_permission == "never" and not block.client_fs
    return tuple(
        name for name, one in SCENARIOS.items() if one.drive in {"", drive} and not (name == "denied" and unasked)
    )


def expected(spec: Spec, scenario: str, drive: Drive = "print") -> frozenset[str]:
    """Return what may come of the scenario with this CLI: as with all, or as its entry says."""
    own = spec.own_model.over(drive).comes_to if spec.own_model else {}
    return frozenset(next((ends for name, ends in own.items() if name == scenario), SCENARIOS[scenario].ends))


def faults(spec: Spec, played: Played) -> list[str]:
    """Return in words what did not come as it must, [] when all did."""
    found = []
    wanted = expected(spec, played.scenario, played.drive)
    if played.word not in wanted:
        found.append(f"came to {played.word}, not {' or '.join(sorted(wanted))}")
    elif lacking := _undone(spec, played):
        found.append(lacking)
    if played.asked == 0 and isinstance(played.came_to, Turned):
        found.append("it never asked the scripted model")
    return found + [f"still alive: {left}" for left in played.alive]


def _undone(spec: Spec, played: Played) -> str:
    """Return what a turn should have done and did not, "" for nothing."""
    resumes = _resumes(spec, played.drive)
    match played.scenario:
        case "ok" if not played.mended:
            return "app.py is as it was"
        case "ok" if not played.noted:
            return "there is no NOTES.md"
        case "resume" if resumes and played.word != ANEW and played.came_to.session_id != played.session:
            return f"was given session {played.session} and says {played.came_to.session_id or 'none'}"
        case "unknown" if resumes and not played.anew:
            return "was not seen to begin anew"
        case "denied" if played.noted:
            return "wrote NOTES.md all the same"
        case "denied" if not played.refused:
            return "nothing was refused"
    return ""


def _resumes(spec: Spec, drive: Drive) -> bool:
    if drive == "acp":
        return spec.acp is not None and spec.acp.load != "none"
    return spec.print is not None and spec.print.resumes
