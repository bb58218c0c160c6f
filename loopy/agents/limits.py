"""Limits and refusals: which failure a text on an error channel means, and when it will pass."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from loopy.agents.resets import reset_at
from loopy.agents.rules import Channel, LimitRule
from loopy.domain.failures import Failure

DETAIL_LIMIT = 500
PASSES = frozenset(
    {Failure.QUOTA, Failure.THROTTLE, Failure.CAPACITY}
)  # by itself; a time beside any other is a retry's


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stopped an agent, in its own words, and when that will pass as far as it says."""

    failure: Failure
    detail: str = ""
    resets_at: datetime | None = None


def in_order(rules: Iterable[LimitRule]) -> tuple[LimitRule, ...]:
    """Return the rules as they are tried: context overflow first, for its texts speak of limits and tokens too."""
    return tuple(sorted(rules, key=lambda rule: rule.failure is not Failure.CONTEXT_OVERFLOW))


def classify(rules: Sequence[LimitRule], channel: Channel, text: str, now: datetime) -> Verdict | None:
    """Return the verdict of the first rule for this channel that matches the text, None when none does."""
    for rule in rules:
        if rule.on is channel and (found := re.search(rule.regex, text)):
            when = found.groupdict().get("reset") or text
            ends = reset_at(when, now, rule.reset) if rule.failure in PASSES else None
            return Verdict(rule.failure, excerpt(text, found.start()), ends)
    return None


def excerpt(text: str, at: int) -> str:
    """Return the line around the position, at most DETAIL_LIMIT characters of it."""
    start = max(text.rfind("\n", 0, at) + 1, at - DETAIL_LIMIT // 2)
    end = text.find("\n", at)
    return text[start : min(len(text) if end < 0 else end, start + DETAIL_LIMIT)].strip()
