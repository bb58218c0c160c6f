"""Slots: how many runs may be live at once, and by which keys a live run is counted. Counted from rows, never a counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from loopy.domain.agent import Agent
from loopy.domain.run import Run
from loopy.domain.states import Segment
from loopy.domain.value import Value

Slots = Mapping[str, int]  # key -> limit
AGEING_S = 600  # a run gains one priority for every ten minutes that it is ready


class Limits(Value):
    """How much this host runs at once."""

    steps: int = Field(default=8, ge=1)  # prepare and finish segments
    turns: int = Field(default=4, ge=1)  # agents at work
    repo: int = Field(default=3, ge=1)
    mission: int = Field(default=8, ge=1)


def slots(run: Run, limits: Limits, agents: Mapping[str, Agent], unproven: frozenset[str]) -> Slots:
    """Return the keys that a live run in this segment occupies, each with its limit; failover needs none."""
    match run.segment:
        case Segment.PREPARE | Segment.FINISH:
            return {"host:steps": limits.steps}
        case Segment.TURN:
            agent = agents.get(run.agent)
            wide = agent.concurrency if agent else 1
            keys = {
                "host:turns": limits.turns,
                f"agent:{run.agent}": wide,
                f"account:{run.account}": 1 if run.account in unproven else max(wide, 1),
                f"repo:{run.repo}": limits.repo,
            }
            return keys | ({f"mission:{run.mission}": limits.mission} if run.mission else {})
        case _:
            return {}


def room(live: Iterable[Run], limits: Limits) -> int:
    """Return how many more runs of one sort this host can take at most."""
    turns = Counter(run.segment is Segment.TURN for run in live if run.segment is not Segment.FAILOVER)
    return max(limits.turns - turns[True], limits.steps - turns[False], 0)


def is_aged(run: Run, now: datetime) -> bool:
    """Return whether a run has waited until nothing can be more urgent."""
    return (now - (run.ready_at or run.created_at)).total_seconds() > run.priority * AGEING_S


def choose(
    ready: Sequence[Run],
    live: Iterable[Run],
    limits: Limits,
    agents: Mapping[str, Agent],
    unproven: frozenset[str],
    now: datetime,
) -> list[Run]:
    """Return the ready runs that may go now, in order; `ready` comes in the order of admission.

    A run is passed over only when one of its own slots is full. The first one that has aged keeps its other slots
    free meanwhile, so that those behind it cannot take them by turns for ever; a host's slots need no keeping, since
    whoever frees the missing slot frees one of these as well. Of the suspects of rule 18 one at a time is live; one that
    is accused goes when nothing else is live, and those behind it wait until it is done.
    """
    live = list(live)
    if any(run.accused for run in live):
        return []
    used = Counter(key for run in live for key in slots(run, limits, agents, unproven))
    suspected = any(run.suspect for run in live)
    chosen: list[Run] = []
    keeping = False
    for run in ready:
        if run.accused:
            return chosen if chosen or live else [run]
        wanted = slots(run, limits, agents, unproven)
        full = {key for key, limit in wanted.items() if used[key] >= limit}
        if full and not keeping and is_aged(run, now):
            used.update(key for key in wanted if not key.startswith("host:"))
            keeping = True
        if full or (run.suspect and suspected):
            continue
        used.update(wanted.keys())
        suspected = suspected or run.suspect
        chosen.append(run)
    return chosen
