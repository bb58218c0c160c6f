"""Policy: what an agent may touch, as frozen values; `loopy.domain.gate` evaluates it, deny before ask before allow."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from loopy.domain.held import Grade
from loopy.domain.patterns import checked, matches
from loopy.domain.value import Value


class Verb(StrEnum):
    """The three answers, strictest first."""

    DENY = "deny"
    ASK = "ask"
    ALLOW = "allow"


class Examples(Value):
    """Paths that a rule must hit and must miss; tried when the policy is loaded."""

    hit: tuple[str, ...] = ()
    miss: tuple[str, ...] = ()


class PathRule(Value):
    """Git-ignore style patterns with one answer; deny always wins.

    A rule that negates, that can never hit, or whose examples do not come out as they say cannot be made.
    """

    deny: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    why: str = ""
    examples: Examples = Examples()

    @field_validator("deny", "ask")
    @classmethod
    def _can_hit(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return checked(patterns)

    @model_validator(mode="after")
    def _says_what_it_means(self) -> Self:
        patterns = (*self.deny, *self.ask)
        if not patterns:
            raise ValueError("denies nothing and asks for nothing; give it `deny` or `ask`, or drop it")
        for path in self.examples.hit:
            if not matches(patterns, path):
                raise ValueError(f"examples.hit: {path!r} is not hit; mend the pattern or the example")
        for path in self.examples.miss:
            if matches(patterns, path):
                raise ValueError(f"examples.miss: {path!r} is hit; mend the pattern or the example")
        return self


class ChangeLimits(Value):
    """How large and how strange a change may be; crossing a number asks, the words say what else happens."""

    files: int = Field(default=200, ge=0)
    added_lines: int = Field(default=5000, ge=0)
    file_bytes: int = Field(default=1_000_000, ge=0)
    binary: Verb = Verb.ASK
    symlink: Verb = Verb.ASK
    submodule: Verb = Verb.DENY
    mode_change: Verb = Verb.ASK
    exec_surface: Verb = Verb.ASK  # files that tools run or obey: conftest.py, Makefile, CI, package.json …


class Policy(Value):
    """The whole policy of one authority; a lower authority only tightens (operator > agent > repository > ticket)."""

    name: str = "default"
    repos: tuple[str, ...] = ()  # allowed repositories; empty: any the operator adds
    paths: tuple[PathRule, ...] = ()
    limits: ChangeLimits = ChangeLimits()
    approve: Literal["never", "asked", "always"] = "asked"  # the before-ship gate
    approve_run: bool = False  # the before-run gate
    review: Literal["never", "risky", "always"] = "risky"  # by an agent of kind review or security, if there is one
    sandbox: Grade = "fs-only"  # the least that agents and checks are held by; no backend reaches "full" yet
    network: tuple[str, ...] = ()
    turns: int = Field(default=4, ge=1, le=50)
    budget_micros: int | None = Field(default=None, ge=0)  # of a run, in millionths of a US dollar
    ticket_budget_micros: int | None = Field(default=None, ge=0)  # of all runs of a ticket


class Finding(Value):
    """One thing the gate saw: the rule, the fact, why it matters and what to do."""

    rule: str
    path: str = ""
    verb: Verb
    why: str
    hint: str = ""


class Decision(Value):
    """The gate's answer to one change, explained."""

    verdict: Verb
    tier: int = 0
    reasons: tuple[str, ...] = ()  # why this tier
    findings: tuple[Finding, ...] = ()

    @property
    def asked(self) -> tuple[Finding, ...]:
        """Findings that a person must answer."""
        return tuple(f for f in self.findings if f.verb is Verb.ASK)
