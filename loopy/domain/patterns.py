"""Git-ignore patterns as rules: compiled once, matched on the raw and the folded name, never negated; pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from loopy.domain.names import fold

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


@lru_cache(maxsize=8192)  # a run's paths are looked at in each of its turns, and before it ships
def matches(patterns: tuple[str, ...], path: str) -> bool:
    """Whether any pattern hits the path, as it is written or as a file system without case or width would see it.

    `dir/` also hits a file, link or submodule that is *named* `dir`: what stands in a denied folder's place is denied.
    """
    written, folded = _compiled(patterns)
    names = ((written, path), (folded, fold(path)))
    return any(spec.match_file(form) for spec, name in names for form in (name, f"{name}/x"))


def first_match(patterns: Sequence[str], path: str) -> str:
    """Return the first pattern that hits the path, "" when none does."""
    return next((pattern for pattern in patterns if matches((pattern,), path)), "")


def checked(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Return the patterns; raises ValueError for one that would never hit, or that would take a path out again."""
    for pattern in patterns:
        if pattern.startswith("!"):
            raise ValueError(f"{pattern!r} negates; deny always wins, so write what is meant without `!`")
        if not pattern.strip() or pattern.startswith("#") or pattern != pattern.strip():
            raise ValueError(f"{pattern!r} can never hit a path; no blanks around it, no comment")
        _compiled((pattern,))  # git's own complaints are ValueErrors, too
    return patterns


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> tuple[GitIgnoreSpec, GitIgnoreSpec]:
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns), GitIgnoreSpec.from_lines([fold(pattern) for pattern in patterns])
