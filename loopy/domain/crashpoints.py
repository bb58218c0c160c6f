"""Named lines where a death matters: a no-op in production, the aim of the crash harness in tests."""

from __future__ import annotations

from collections.abc import Callable

_hooks: list[Callable[[str], None]] = []


def crashpoint(name: str) -> None:
    """Tell the installed hook, if any, that this line is reached."""
    for hook in _hooks:
        hook(name)


def install(hook: Callable[[str], None] | None) -> None:
    """Set the one hook, or take it away with None."""
    _hooks[:] = [hook] if hook else []
