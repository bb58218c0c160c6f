"""Paths into parsed JSON, as `[[event]]` rows write them: `a.b[0].c`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_PART = re.compile(r"([^\[\]]*)((?:\[-?\d+\])*)$")


@lru_cache(maxsize=4096)
def _steps(path: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    for part in path.split("."):
        found = _PART.match(part)
        name, indexes = (found[1], found[2]) if found else (part, "")
        if name:
            steps.append(name)
        steps += [int(index) for index in re.findall(r"-?\d+", indexes)]
    return tuple(steps)


def dig(node: Any, path: str) -> Any:
    """Return what stands at the path, None when nothing does."""
    for step in _steps(path):
        if isinstance(step, str) and isinstance(node, dict):
            node = node.get(step)
        elif isinstance(step, int) and isinstance(node, list) and -len(node) <= step < len(node):
            node = node[step]
        else:
            return None
    return node
