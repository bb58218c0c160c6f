"""The targets of a Makefile, as far as they are written out."""

from __future__ import annotations

import re

TARGET = re.compile(r"^([A-Za-z0-9][A-Za-z0-9_. -]{0,200}?)[ \t]{0,9}::?(?![:=])", re.MULTILINE)


def targets(text: str) -> frozenset[str]:
    """Return the names that stand before a colon at the start of a line."""
    return frozenset(name for group in TARGET.findall(text) for name in group.split())
