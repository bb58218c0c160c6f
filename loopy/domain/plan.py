"""What the prepare segment decides: a plan, a size, and a route with its reasons and its why-nots."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from loopy.domain.check import CheckSpec
from loopy.domain.value import Value


class Plan(Value):
    """What is to be done and how it will be known to be done."""

    kind: Literal["plan"] = "plan"
    planner: str = "heuristic"
    base: str = ""  # the commit that the run stands on
    target: str = ""  # the branch that the change is for
    goal: str
    acceptance: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # likely files, best first
    checks: tuple[CheckSpec, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()  # argv lists that prepare a checkout
    risks: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()


class SizeName(StrEnum):
    """How much work a ticket is."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


class Sized(Value):
    """The size with the reasons that led to it."""

    kind: Literal["size"] = "size"
    size: SizeName
    points: int
    reasons: tuple[str, ...]


class Candidate(Value):
    """One agent as the route saw it; `why_not` is empty for those that could take the run."""

    agent: str
    score: int
    reasons: tuple[str, ...] = ()
    why_not: str = ""


class AppendTo(Value):
    """Join the loop of an agent that is already busy on this repository."""

    way: Literal["append"] = "append"
    loop: str
    why: str


class Dedicated(Value):
    """A run of its own."""

    way: Literal["dedicated"] = "dedicated"
    why: str


Route = Annotated[AppendTo | Dedicated, Field(discriminator="way")]


class Routed(Value):
    """The chosen agent, its authorised successors in order, and every candidate's score or why-not."""

    kind: Literal["route"] = "route"
    agent: str
    account: str
    chain: tuple[str, ...]
    route: Route
    rule: str
    candidates: tuple[Candidate, ...]
    overridden_by: str = ""
