"""A live line: one line at the foot of the terminal that is rewritten, while plain lines go above it."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Self, TextIO

import click

from loopy.cli.paper import columns, cut, ink, width

CLEAR = "\r\x1b[2K"
TURNING = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"  # the one thing that moves, only while something runs


class LiveLine:
    """Off a terminal it prints the plain lines and nothing else; safe for threads."""

    def __init__(self, out: TextIO | None = None, *, on: bool | None = None, colour: bool = True) -> None:
        self._out = out or sys.stdout
        self.on = self._out.isatty() if on is None else on
        self._colour, self._shown, self._turns = colour, "", 0
        self._mutex = threading.RLock()

    def show(self, text: str, *, moving: bool = True) -> None:
        """Rewrite the foot line."""
        if not self.on:
            return
        with self._mutex:
            self._turns += 1
            mark = ink(TURNING[self._turns % len(TURNING)], "live") if moving else " "
            self._shown = f"{mark} {_fit(text, columns() - 3)}"
            self._put(CLEAR + self._shown)

    def above(self, text: str) -> None:
        """Print a line above the foot line."""
        with self._mutex:
            foot = self._shown if self.on else ""
            self._put(f"{CLEAR if foot else ''}{text}\n{foot}")

    def clear(self) -> None:
        """Take the foot line away."""
        with self._mutex:
            if self.on and self._shown:
                self._shown = ""
                self._put(CLEAR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def _put(self, text: str) -> None:
        self._out.write(text if self._colour else _uncoloured(text))
        self._out.flush()


def _uncoloured(text: str) -> str:
    rewrite = text.startswith(CLEAR)
    return (CLEAR if rewrite else "") + click.unstyle(text.removeprefix(CLEAR))


def _fit(text: str, most: int) -> str:
    """Return the text within `most` columns; one that is too long loses its colours with its end."""
    return text if width(text) <= most else cut(click.unstyle(text), most)
