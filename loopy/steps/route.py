"""The route step: which agent takes the run, who may take over, and why not the others; pure over given facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from loopy.domain.agent import Agent, AgentKind
from loopy.domain.errors import ConfigError
from loopy.domain.plan import AppendTo, Candidate, Dedicated, Routed, Sized, SizeName
from loopy.domain.tables import suggestion
from loopy.domain.ticket import Ticket

PERSON = "person:"
REVIEWING = frozenset({AgentKind.REVIEW, AgentKind.SECURITY})  # they produce findings, not a change
KIND_LABELS: Mapping[str, AgentKind] = MappingProxyType(
    {
        "docs": AgentKind.DOCS,
        "documentation": AgentKind.DOCS,
        "test": AgentKind.TEST,
        "tests": AgentKind.TEST,
        "testing": AgentKind.TEST,
    }
)
FITS, GENERAL, LOOP, WARM, BUSY, STAND_IN = 40, 20, 25, 15, -10, -60
URGENT = 0


@dataclass(frozen=True, slots=True)
class AgentFacts:
    """What is known about one agent at the moment of routing, in the operator's order of agents."""

    agent: Agent
    healthy: bool = True
    health: str = ""  # the version, or why it is not usable
    cooling_until: datetime | None = None  # of its account
    busy: int = 0  # turns that hold one of its slots
    warm: bool = False  # its dependency cache for this repository is there
    loop: str = ""  # the id of its loop, when it is busy on this repository
    barred: str = ""  # why policy keeps it from this repository


def route(
    ticket: Ticket,
    sized: Sized,
    candidates: Sequence[AgentFacts],
    wanted: str,
    now: datetime,
    wanted_by: str = "",
    *,
    alone: bool = False,
) -> Routed:
    """Return the chosen agent with its authorised successors, the rule that fired, and every candidate's score.

    A person's `wanted` comes before the ticket's assignee, and both before the scores; they are taken even when they
    cannot run now, for the engine waits or fails over along their chain, which whoever is `alone` does not have. Raises
    ConfigError when there are no agents, when the named one does not exist, or when policy bars every one of them.
    """
    if not candidates:
        raise ConfigError("agents", "there are no agents", hint="add one: `loopy agent create NAME --cli claude`")
    judged = [_Judged(facts, sized, _kind(ticket), now) for facts in candidates]
    chosen, rule = _choose(ticket, judged, wanted)
    names = {facts.agent.name for facts in candidates}
    agent = chosen.facts.agent
    alone = alone or not agent.failover
    return Routed(
        agent=agent.name,
        account=agent.billed_to,
        chain=tuple(dict.fromkeys(n for n in agent.fallback if n in names - {agent.name} and not alone)),
        route=_way(ticket, sized, chosen.facts),
        rule=rule,
        candidates=tuple(_listed(judged, chosen)),
        overridden_by=(wanted_by or "a person") if wanted else "",
    )


class _Judged:
    """One agent with its score, the reasons for it, and why it cannot run now."""

    def __init__(self, facts: AgentFacts, sized: Sized, kind: AgentKind, now: datetime) -> None:
        self.facts = facts
        counted = list(_scores(facts, sized, kind))
        self.score = max(sum(points for points, _ in counted), 0)
        self.reasons = tuple(f"{points:+d}: {reason}" for points, reason in counted)
        self.cooling = facts.cooling_until if facts.cooling_until and facts.cooling_until > now else None
        self.never = _never(facts)
        self.not_now = self.never or _not_now(facts, self.cooling)


def _choose(ticket: Ticket, judged: Sequence[_Judged], wanted: str) -> tuple[_Judged, str]:
    if wanted:
        return _named(wanted, judged, "run.wanted_agent"), "wanted: a person asked for this agent"
    if ticket.assignee and not ticket.assignee.startswith(PERSON):
        return _named(ticket.assignee, judged, f"{ticket.id}.assignee"), "assigned: the ticket names this agent"
    possible = [one for one in judged if not one.never]
    if not possible:
        why = "; ".join(f"{one.facts.agent.name} {one.never}" for one in judged)
        raise ConfigError("agents", f"no agent may take this ticket: {why}", hint="add one, or change the policy")
    free = [one for one in possible if not one.not_now]
    if free:
        rule = "only: no other agent can take it now" if len(free) == 1 else "score: the best of those that can take it"
        return max(free, key=lambda one: one.score), rule
    return min(possible, key=_soonest), "soonest: nobody can take it now, this one is likely to be first"


def _soonest(one: _Judged) -> tuple[bool, float, int]:
    """Order those that cannot run now: a full one before a cooling one before one that is not usable."""
    until = one.cooling.timestamp() if one.cooling else 0.0
    return not one.facts.healthy, until, -one.score


def _named(name: str, judged: Sequence[_Judged], where: str) -> _Judged:
    for one in judged:
        if one.facts.agent.name == name:
            if one.facts.barred:
                raise ConfigError(where, f"'{name}' may not work here: {one.facts.barred}", hint="choose another agent")
            return one
    known = [one.facts.agent.name for one in judged]
    raise ConfigError(where, f"no agent is called '{name}'", hint=suggestion(name, known, "agents"))


def _kind(ticket: Ticket) -> AgentKind:
    labels = (label.lower() for label in ticket.labels)
    return next((KIND_LABELS[label] for label in labels if label in KIND_LABELS), AgentKind.CODE)


def _scores(facts: AgentFacts, sized: Sized, kind: AgentKind) -> Iterator[tuple[int, str]]:
    agent = facts.agent
    if agent.kind is kind:
        yield FITS, f"is for {kind} work"
    elif agent.kind is AgentKind.CODE:
        yield GENERAL, f"is for code, and takes {kind} work too"
    if facts.loop and sized.size is not SizeName.LARGE:
        yield LOOP, "is at work on this repository"
    if facts.warm:
        yield WARM, "has the dependencies of this repository ready"
    if facts.busy:
        yield BUSY * facts.busy, f"is busy with {facts.busy} of {agent.concurrency}"
    if agent.scripted:
        yield STAND_IN, "is a scripted stand-in"


def _never(facts: AgentFacts) -> str:
    if facts.barred:
        return f"is barred: {facts.barred}"
    return f"is for {facts.agent.kind}: it reviews and changes nothing" if facts.agent.kind in REVIEWING else ""


def _not_now(facts: AgentFacts, cooling: datetime | None) -> str:
    if not facts.healthy:
        return f"is not usable: {facts.health or 'no reason known'}"
    if cooling:
        return f"is cooling until {cooling:%Y-%m-%d %H:%M} UTC"
    return f"is full: {facts.busy} of {facts.agent.concurrency}" if facts.busy >= facts.agent.concurrency else ""


def _way(ticket: Ticket, sized: Sized, facts: AgentFacts) -> AppendTo | Dedicated:
    name = facts.agent.name
    if not facts.loop:
        return Dedicated(why=f"{name} has no loop on this repository")
    if sized.size is SizeName.LARGE:
        return Dedicated(why="it is large: a run of its own holds nobody up")
    if ticket.priority == URGENT:
        return Dedicated(why="it is urgent: it does not stand behind others")
    return AppendTo(loop=facts.loop, why=f"{name} is at work on this repository, and its dependencies are ready")


def _listed(judged: Sequence[_Judged], chosen: _Judged) -> Iterator[Candidate]:
    """Yield the chosen one first, then the others by score; `why_not` says why one cannot run now."""
    others = sorted((one for one in judged if one is not chosen), key=lambda one: -one.score)
    for one in (chosen, *others):
        below = chosen.score - one.score
        beaten = (f"{below} below {chosen.facts.agent.name}",) if not one.not_now and below > 0 else ()
        name = one.facts.agent.name
        yield Candidate(agent=name, score=one.score, reasons=(*one.reasons, *beaten), why_not=one.not_now)
