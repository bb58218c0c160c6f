"""Slots: how many runs may be live at once, and by which keys a live run is counted. Counted from rows, never a counter."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from pydantic import Field

from loopy.domain.agent import Agent
from loopy.domain.run import Candidate, Run
from loopy.domain.states import Segment
from loopy.domain.value import Value

Slots = Mapping[str, int]  # key -> limit
Wanting = TypeVar("Wanting", Run, Candidate)
AGEING_S = 600  # a run gains one priority for every ten minutes that it is ready


class Limits(Value):
    """How much this host runs at once."""

    steps: int = Field(default=8, ge=1)  # prepare and finish segments
    turns: int = Field(default=4, ge=1)  # agents at work
    repo: int = Field(default=3, ge=1)
    mission: int = Field(default=8, ge=1)
    day_budget_micros: int | None = Field(default=None, ge=0)  # of all accounts, from midnight to midnight UTC


def slots(run: Run | Candidate, limits: Limits, agents: Mapping[str, Agent], unproven: frozenset[str]) -> Slots:
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


def room(live: Iterable[Run | Candidate], limits: Limits) -> Mapping[Segment, int]:
    """Return how many more runs of each segment this host can take."""
    held = Counter(run.segment for run in live)
    steps = max(limits.steps - held[Segment.PREPARE] - held[Segment.FINISH], 0)
    turns = max(limits.turns - held[Segment.TURN], 0)
    return {Segment.PREPARE: steps, Segment.TURN: turns, Segment.FINISH: steps, Segment.FAILOVER: limits.steps}


def urgency(run: Run | Candidate, now: datetime) -> int:
    """Return how urgent a ready run is by its priority and age: 0 (nothing can be more urgent) to 4."""
    waited = (now - run.ready_at).total_seconds() if run.ready_at else 0.0
    return min(max(math.floor(run.priority - waited / AGEING_S) + 1, 0), 4)


def is_aged(run: Run | Candidate, now: datetime) -> bool:
    """Return whether a run has waited until nothing can be more urgent."""
    return urgency(run, now) == 0


def choose(
    ready: Iterable[Wanting],
    live: Iterable[Run | Candidate],
    limits: Limits,
    agents: Mapping[str, Agent],
    unproven: frozenset[str],
    now: datetime,
) -> list[Wanting]:
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
    chosen: list[Wanting] = []
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
