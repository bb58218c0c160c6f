"""The transcript: the raw output of one attempt in an append-only file, redacted and capped."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

from loopy.agents.redact import RedactedStream, Redactor
from loopy.domain.errors import AgentError
from loopy.domain.failures import FULL_DISK

CAP_BYTES = 64 * 1024 * 1024
CUT = b"\n[loopy: the transcript ends here, at its cap of %d bytes; the agent went on]\n"
STDERR = b"[stderr] "


class Transcript:
    """One file of the run's folder; error output stands in lines that begin with `[stderr] `."""

    def __init__(self, path: Path, redactor: Redactor, cap_bytes: int = CAP_BYTES) -> None:
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in FULL_DISK:
                raise  # no fault of the agent's: the run waits for room
            raise AgentError(str(path), f"the transcript cannot be opened: {error.strerror}") from error
        self.name = path.name
        self._cap = cap_bytes
        self._room = cap_bytes - os.fstat(self._fd).st_size
        self._cut = self._room < 0
        self._streams = {"stdout": RedactedStream(redactor), "stderr": RedactedStream(redactor)}
        self._at_line_start = True

    def add(self, stream: Literal["stdout", "stderr"], piece: bytes) -> None:
        """Append output; past the cap it is dropped, once said so."""
        if not self._cut:
            self._write(stream, self._streams[stream].feed(piece))

    def note(self, text: str) -> None:
        """Append a line of Loopy's own."""
        self._append(f"[loopy: {text}]\n".encode())

    def close(self) -> str:
        """Write what was held back, make it last, and return the file's sha256."""
        for stream in ("stdout", "stderr"):
            self._write(stream, self._streams[stream].close())
        os.fsync(self._fd)
        os.lseek(self._fd, 0, os.SEEK_SET)
        with os.fdopen(self._fd, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _write(self, stream: str, text: bytes) -> None:
        if text and stream == "stderr":
            text = STDERR + text[:-1].replace(b"\n", b"\n" + STDERR) + text[-1:]
        if text:
            self._append(text if self._at_line_start or stream == "stdout" else b"\n" + text)

    def _append(self, text: bytes) -> None:
        if self._cut:
            return
        kept = text[: self._room]
        if len(kept) < len(text):
            self._cut = True
            kept += CUT % self._cap
        self._room -= len(text)
        self._at_line_start = kept.endswith(b"\n")
        view = memoryview(kept)
        while view:
            view = view[os.write(self._fd, view) :]
