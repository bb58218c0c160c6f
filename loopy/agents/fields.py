"""What an `[[event]]` row takes out of a parsed line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from loopy.agents.paths import dig
from loopy.agents.rules import EventRule, Match, Scalar

SUMMED = frozenset({"input_tokens", "output_tokens"})
Conditions = Mapping[str, Scalar | tuple[Scalar, ...] | Match]


def holds(conditions: Conditions, node: Any) -> bool:
    """Return whether all conditions hold for the node."""
    return all(_meets(dig(node, path), expected) for path, expected in conditions.items())


def _meets(value: Any, expected: Scalar | tuple[Scalar, ...] | Match) -> bool:
    if isinstance(expected, Match):
        if expected.present is not None and (value is not None) is not expected.present:
            return False
        return expected.matches is None or (isinstance(value, str) and re.search(expected.matches, value) is not None)
    wanted = expected if isinstance(expected, tuple) else (expected,)
    return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in wanted)


def fields_of(row: EventRule, node: Any, line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row's fields of this node: what stands at their paths, else the row's constants."""
    got: dict[str, Any] = dict(row.const)
    for name, paths in row.fields.items():
        stated = [value for path in _several(paths) if (value := _look(node, line, path)) is not None]
        if name in SUMMED:
            numbers = [number for value in stated if (number := integer(value)) is not None]
            stated = [sum(numbers)] if numbers else []
        if stated:
            got[name] = stated[0]
    return got


def _several(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths


def _look(node: Any, line: Mapping[str, Any], path: str) -> Any:
    return dig(line, path[2:]) if path.startswith("$.") else dig(node, path)


def integer(value: Any) -> int | None:
    """Return a whole number that is one, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if abs(value) < 2**53 else None


def text_of(value: Any, limit: int = 20_000) -> str:
    """Return the value as text: a string as it is, None as "", anything else as compact JSON."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text[:limit]
