"""The kept output of one command: clean, redacted, its first and last part, and the digest of what is stored."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loopy.checks.summary import Summary
from loopy.process.text import Lines

HEAD_BYTES, END_BYTES = 8 * 1024 * 1024, 2 * 1024 * 1024
TAIL_BYTES = 4096
LONGEST_LINE = 16_384  # characters


@dataclass(frozen=True, slots=True)
class Kept:
    """The stored log's digest, and its end for people and for the next turn."""

    sha256: str
    tail: str


class Log:
    """A log file in the making. Feed it a command's chunks, then close it; the memory it takes is bounded.

    The file holds the first `head_bytes` and the last `end_bytes` of the clean, redacted lines, with a line between
    them that says how much is missing. `summary` has read every line.
    """

    def __init__(
        self,
        path: Path,
        redact: Callable[[str], str],
        head_bytes: int = HEAD_BYTES,
        end_bytes: int = END_BYTES,
    ) -> None:
        self.summary = Summary()
        self._redact = redact
        self._streams = {name: Lines(max_line=LONGEST_LINE) for name in ("stdout", "stderr")}
        self._room, self._sha = head_bytes, hashlib.sha256()
        self._end, self._tail = _Last(end_bytes), _Last(TAIL_BYTES)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def feed(self, stream: str, chunk: bytes) -> None:
        """Take in the next bytes of `stdout` or `stderr`. Raises OSError when the disk is full."""
        self._add(self._streams[stream].feed(chunk))

    def close(self) -> Kept:
        """Write what is left and return what is kept."""
        for lines in self._streams.values():
            self._add(lines.close())
        end, left_out = self._end.kept()
        if left_out:
            self._write(f"[{left_out:,} bytes left out]\n".encode())
        self._write(end)
        self._file.close()
        return Kept(self._sha.hexdigest(), self._tail.kept()[0].decode())

    def _add(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        text = self._redact("\n".join(lines)) + "\n"
        self.summary.read(text)
        block = text.encode(errors="replace")
        self._tail.add(block)
        fits = block if len(block) <= self._room else block[: block.rfind(b"\n", 0, self._room) + 1]
        self._room = self._room - len(fits) if len(fits) == len(block) else 0
        self._write(fits)
        self._end.add(block[len(fits) :])

    def _write(self, content: bytes) -> None:
        self._sha.update(content)
        self._file.write(content)


class _Last:
    """The last whole lines of a stream of blocks, in memory bounded by one block more than they take."""

    def __init__(self, most: int) -> None:
        self._most, self._blocks, self._size, self._gone = most, deque[bytes](), 0, 0

    def add(self, block: bytes) -> None:
        """Take in a block of whole lines; forget those that are not among the last any more."""
        self._blocks.append(block)
        self._size += len(block)
        while self._size - len(self._blocks[0]) >= self._most:
            self._drop(len(self._blocks.popleft()))

    def kept(self) -> tuple[bytes, int]:
        """Return the last lines, at most so many bytes of them unless one line is longer, and how many bytes are gone."""
        whole = b"".join(self._blocks)
        over = len(whole) - self._most
        if over <= 0:
            return whole, self._gone
        cut = whole.find(b"\n", over - 1) + 1
        cut = cut if cut < len(whole) else whole.rfind(b"\n", 0, -1) + 1
        return whole[cut:], self._gone + cut

    def _drop(self, size: int) -> None:
        self._size -= size
        self._gone += size
