"""The risk tier of a change, 0 to 3, computed from facts and explained; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loopy.domain.change import Change
from loopy.domain.gate_rules import AREAS, DOCS, TESTS
from loopy.domain.patterns import matches
from loopy.domain.policy import Finding, Verb
from loopy.domain.ticket import Trust

SMALL_LINES, LARGE_LINES = 30, 800
DELETED_SHARE = 0.7  # of the changed lines, from SMALL_LINES on


def tier(change: Change, findings: Sequence[Finding], trust: Trust, grade: str) -> tuple[int, tuple[str, ...]]:
    """Return (tier, reasons): 0 nothing to fear, 1 ordinary code, 2 a person should look, 3 refused or a secret seen."""
    found = sorted(set(_reasons(change, findings, trust, grade)), key=lambda reason: (-reason[0], reason[1]))
    highest = max((number for number, _ in found), default=0)
    return highest, tuple(f"tier {number}: {why}" for number, why in found)


def _reasons(change: Change, findings: Sequence[Finding], trust: Trust, grade: str) -> Iterator[tuple[int, str]]:
    for finding in findings:
        if finding.verb is Verb.DENY or finding.rule == "secret":
            yield 3, f"{finding.rule} {finding.path}".strip()
        elif finding.verb is Verb.ASK:
            yield 2, f"{finding.rule} {finding.path}".strip()
        else:
            yield 1, f"{finding.rule} {finding.path}".strip()
    if trust is Trust.PUBLIC:
        yield 2, "the ticket comes from the public"
    if grade == "none":
        yield 2, "the agent ran without a sandbox"
    yield from _of_paths(change)
    lines = change.added + change.deleted
    if lines > LARGE_LINES:
        yield 2, f"{lines:,} changed lines"
    if lines >= SMALL_LINES and change.deleted / lines > DELETED_SHARE:
        yield 2, f"{change.deleted * 100 // lines} % of the changed lines are deletions"


def _of_paths(change: Change) -> Iterator[tuple[int, str]]:
    for area, patterns, number in AREAS:
        touched = [entry.path for entry in change.entries if matches(patterns, entry.path)]
        if touched:
            more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
            yield number, f"touches {area}: {touched[0]}{more}"
    code = [e.path for e in change.entries if not matches(DOCS, e.path) and not matches(TESTS, e.path)]
    if code:
        yield 1, f"changes code: {code[0]}" + (f" and {len(code) - 1} more" if len(code) > 1 else "")
