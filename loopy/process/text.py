"""From a command's bytes to lines that are safe to store, show and parse: decoded, without control characters, bounded."""

from __future__ import annotations

import codecs
import io
import re

_CONTROL = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # strings: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]?"  # all other escapes; a string without its end loses its beginning only
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_DIRTY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # every sequence above has at least one of these


def clean(text: str) -> str:
    """Return the text without terminal sequences and control characters; newline and tab stay."""
    return _CONTROL.sub("", text)


def plain(data: bytes) -> str:
    """Return all of the output as clean text, each kind of line end as a newline."""
    text = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return clean(text)


class Lines:
    """Cut a stream of bytes into clean lines, in memory bounded by the longest line.

    A carriage return ends a line too, so that what a progress bar overwrote stays readable. A line keeps its first
    `max_line` characters and says how many are missing; after `max_total_bytes` one last line says that the rest is not
    kept.
    """

    def __init__(self, *, max_line: int = 65536, max_total_bytes: int | None = None) -> None:
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        self._max_line, self._max_total = max_line, max_total_bytes
        self._parts: list[str] = []
        self._length = self._cut = self._total = 0
        self.full = False  # the total was reached

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that this chunk completes."""
        return [] if self.full else self._split(self._decoder.decode(chunk))

    def close(self) -> list[str]:
        """Return what is left at the end of the stream."""
        lines = self._split(self._decoder.decode(b"", final=True))
        return lines + (self._keep(self._line()) if self._parts else [])

    def _split(self, text: str) -> list[str]:
        *whole, rest = text.split("\n")
        lines: list[str] = []
        if whole and self._simple(text, whole):
            self._add(whole[0])
            lines, whole = [self._line(), *whole[1:]], []
            if self._max_total is not None:
                self._total += len("\n".join(lines).encode()) + 1
        for part in whole:
            self._add(part)
            lines += self._keep(self._line())
        self._add(rest)
        return lines

    def _simple(self, text: str, whole: list[str]) -> bool:
        """Whether these lines need no further look: eight times as fast for what most commands write."""
        roomy = self._max_total is None or self._total + 4 * (self._length + len(text)) < self._max_total
        return roomy and max(map(len, whole)) <= self._max_line and not _DIRTY.search(text)

    def _add(self, part: str) -> None:
        room = self._max_line - self._length
        if part[:room]:
            self._parts.append(part[:room])
        self._length += min(len(part), room)
        self._cut += max(len(part) - room, 0)

    def _line(self) -> str:
        text = clean("".join(self._parts))
        if self._cut:
            text += f" [{self._cut:,} more characters left out]"
        self._parts, self._length, self._cut = [], 0, 0
        return text

    def _keep(self, line: str) -> list[str]:
        if self.full:
            return []
        self._total += len(line.encode()) + 1
        if self._max_total is not None and self._total > self._max_total:
            self.full = True
            return [f"[output beyond {self._max_total:,} bytes left out]"]
        return [line]
