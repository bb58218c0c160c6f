"""Slots: how many runs may be live at once, and by which keys a live run is counted. Counted from rows, never a counter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from loopy.domain.agent import Agent
from loopy.domain.run import Run
from loopy.domain.states import Segment
from loopy.domain.value import Value

Slots = Mapping[str, int]  # key -> limit


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


def choose(
    ready: Sequence[Run], live: Iterable[Run], limits: Limits, agents: Mapping[str, Agent], unproven: frozenset[str]
) -> list[Run]:
    """Return the ready runs that may go now, in order; `ready` comes in the order of admission.

    A run is passed over only when one of its own slots is full, and then that slot stays full for those behind it,
    so a large run is never behind small ones for ever. Of the suspects of rule 18 one at a time is live.
    """
    live = list(live)
    used = Counter(key for run in live for key in slots(run, limits, agents, unproven))
    suspected = any(run.suspect for run in live)
    chosen = []
    for run in ready:
        wanted = slots(run, limits, agents, unproven)
        if (run.suspect and suspected) or any(used[key] >= limit for key, limit in wanted.items()):
            continue
        used.update(wanted.keys())
        suspected = suspected or run.suspect
        chosen.append(run)
    return chosen
