"""The words for where a run is: segments, steps, states, waits and verdicts, with the order of steps as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class RunState(StrEnum):
    """What a run is doing; every state but `ended` has a next actor, a `wake_at` or a person."""

    READY = "ready"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    ENDED = "ended"


class Segment(StrEnum):
    """A chain of steps between two decisions."""

    PREPARE = "prepare"
    TURN = "turn"
    FAILOVER = "failover"
    FINISH = "finish"


class Step(StrEnum):
    """One task on the queue."""

    PLAN = "plan"
    SIZE = "size"
    ROUTE = "route"
    CODE = "code"
    CHECK = "check"
    FAILOVER = "failover"
    EVIDENCE = "evidence"
    SHIP = "ship"


SEGMENTS: Mapping[Segment, tuple[Step, ...]] = MappingProxyType(
    {
        Segment.PREPARE: (Step.PLAN, Step.SIZE, Step.ROUTE),
        Segment.TURN: (Step.CODE, Step.CHECK),
        Segment.FAILOVER: (Step.FAILOVER,),
        Segment.FINISH: (Step.EVIDENCE, Step.SHIP),
    }
)


class Verdict(StrEnum):
    """How a run ended; every end has a receipt."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    ABORTED = "ABORTED"


class Wait(StrEnum):
    """Why a run waits; a wait holds no worker and no slot."""

    APPROVAL = "approval"
    QUESTION = "question"
    LIMIT = "limit"
    BACKOFF = "backoff"
    DEPENDENCY = "dependency"
    PAUSED = "paused"
    DISK = "disk"
    VERSION = "version"


def following(segment: Segment, step: Step) -> Step | None:
    """Return the step after `step` within its segment, None at the segment's end."""
    steps = SEGMENTS[segment]
    at = steps.index(step) + 1
    return steps[at] if at < len(steps) else None


def remaining(segment: Segment, step: Step) -> tuple[Step, ...]:
    """Return `step` and those after it in its segment: what one chain on the queue carries."""
    steps = SEGMENTS[segment]
    return steps[steps.index(step) :]


def is_behind(segment: Segment, step: Step, position: Step) -> bool:
    """Whether `step` lies before `position` in this very segment (rule 3)."""
    steps = SEGMENTS[segment]
    return step in steps and steps.index(step) < steps.index(position)
