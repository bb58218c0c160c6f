"""A number with its noun, as a person would write it."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return `1 check`, `2 checks`, `1,200 tokens`; `plural` is for a noun that does not take an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
