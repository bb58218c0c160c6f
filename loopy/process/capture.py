"""Short commands whose output is wanted as a whole: kept at both ends, cut in the middle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopy.process.command import Command, Exit
from loopy.process.runner import run

HEAD_BYTES, TAIL_BYTES = 64 * 1024, 192 * 1024


@dataclass(frozen=True, slots=True)
class Captured:
    """How a command ended and what it wrote; `truncated` if a middle is missing (a line in its place says how much)."""

    exit: Exit
    stdout: bytes
    stderr: bytes
    truncated: bool


class Clip:
    """The first and the last bytes of a stream of any length."""

    def __init__(self, head_bytes: int, tail_bytes: int) -> None:
        self._head_bytes, self._tail_bytes = head_bytes, tail_bytes
        self._head, self._tail, self._total = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self._total += len(chunk)
        room = self._head_bytes - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        if len(self._tail) > self._tail_bytes + 65536:  # trimmed now and then: trimming moves the rest
            del self._tail[: len(self._tail) - self._tail_bytes]

    @property
    def left_out(self) -> int:
        """How many bytes of the middle are not kept."""
        return max(self._total - self._head_bytes - self._tail_bytes, 0)

    def kept(self) -> bytes:
        """Return the head, a line that says how much is missing if something is, and the tail."""
        if not self.left_out:
            return bytes(self._head + self._tail)
        tail = self._tail[len(self._tail) - self._tail_bytes :]
        return bytes(self._head) + f"\n[{self.left_out:,} bytes left out]\n".encode() + bytes(tail)


def capture(
    command: Command,
    *,
    authorised: Callable[[], bool] = lambda: True,
    stopping: Callable[[], str | None] = lambda: None,
    head_bytes: int = HEAD_BYTES,
    tail_bytes: int = TAIL_BYTES,
) -> Captured:
    """Run the command as `run` does and return its output, of each stream at most the first and last bytes."""
    clips = {"stdout": Clip(head_bytes, tail_bytes), "stderr": Clip(head_bytes, tail_bytes)}
    ended = run(
        command, authorised=authorised, stopping=stopping, on_output=lambda stream, chunk: clips[stream].add(chunk)
    )
    cut = any(clip.left_out for clip in clips.values())
    return Captured(ended, clips["stdout"].kept(), clips["stderr"].kept(), truncated=cut)


def probe(argv: Sequence[str], env: Mapping[str, str], timeout_s: float, *, cwd: Path = Path("/")) -> Captured:
    """Ask a program a short question (its version, whether it is logged in); what it leaves behind is killed too."""
    return capture(Command(argv=tuple(argv), cwd=cwd, env=env, wall_s=timeout_s, kill_grace_s=0.5))
