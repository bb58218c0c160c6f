"""Paper and ink: what is printed is clean text, coloured only on a terminal, in columns that align.

Invariant: no text of a ticket, an agent or a repository reaches the terminal other than through `safe` or `line`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

import click

from loopy.process.text import clean

# Amber means "a person must act" and nothing else; green is evidence only; parked work is quiet.
INKS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "strong": {"bold": True},
    "quiet": {"dim": True},
    "live": {"fg": "blue"},
    "need": {"fg": "yellow", "bold": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red"},
    "alarm": {"fg": "red", "bold": True},
}
TURNING = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C], "\ufffd")
NO_SANDBOX = "no sandbox"
BOUNDLESS = 100_000

Cell = str | tuple[str, str]  # text, or (text, ink)


def safe(text: str) -> str:
    """Return the text without terminal sequences, control characters and marks that turn the writing's direction."""
    return clean(text.encode("utf-8", "replace").decode()).translate(TURNING)


def line(text: str, width: int | None = None) -> str:
    """Return the text as one safe line, cut with an ellipsis to `width` columns if one is given."""
    flat = " ".join(safe(text).split())
    return flat if width is None else cut(flat, width)


def ink(text: str, name: str) -> str:
    """Return the text in that ink; `echo` takes it off again where there is no colour."""
    style = INKS[name]
    return click.style(text, **style) if style and text else text


def coloured(err: bool = False) -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR says no or FORCE_COLOR says yes."""
    if os.environ.get("NO_COLOR"):
        return False
    stream = sys.stderr if err else sys.stdout
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def echo(text: str = "", *, err: bool = False) -> None:
    """Print a line; `text` was made of safe parts."""
    click.echo(text, err=err, color=coloured(err))


def columns() -> int:
    """Return the terminal's width, at most 160; where there is none and COLUMNS is not set, nothing is cut."""
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS"):
        return BOUNDLESS
    return min(shutil.get_terminal_size((100, 24)).columns, 160)


def width(text: str) -> int:
    """Return how many columns the text takes, colour and combining marks not counted."""
    bare = click.unstyle(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in bare)
    return len(bare) + wide - sum(unicodedata.combining(c) > 0 for c in bare)


def cut(text: str, most: int) -> str:
    """Return the text in at most `most` columns, with an ellipsis where it was cut."""
    if width(text) <= most:
        return text
    while text and width(text) > most - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def table(rows: Sequence[Sequence[Cell]], *, indent: int = 0, gap: int = 2) -> list[str]:
    """Return the rows in aligned columns; the last column is cut where the terminal ends."""
    cells = [[c if isinstance(c, tuple) else (c, "plain") for c in row] for row in rows]
    many = max((len(row) for row in cells), default=0)
    widths = [max((width(row[n][0]) for row in cells if n < len(row)), default=0) for n in range(many)]
    return [_row(row, widths, indent, gap) for row in cells]


def _row(cells: Sequence[tuple[str, str]], widths: Sequence[int], indent: int, gap: int) -> str:
    out, at = " " * indent, indent
    for n, (text, name) in enumerate(cells):
        last = n == len(cells) - 1
        shown = cut(text, max(columns() - at, 12)) if last else text
        out += ink(shown, name)
        if not last:
            out += " " * (widths[n] - width(shown) + gap)
            at += widths[n] + gap
    return out.rstrip()


def emit(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, indent=2, default=plain_value))


def emit_line(value: Any) -> None:
    """Print one line of JSON of a stream, at once."""
    click.echo(json.dumps(value, default=plain_value))


def plain_value(value: object) -> Any:
    """Return what JSON has no form for as it would be written by hand."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum | PurePath):
        return str(value)
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    if isinstance(value, Iterable):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
