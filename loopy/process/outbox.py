"""Bytes on their way into a pipe that may be full."""

from __future__ import annotations

from io import FileIO
from selectors import EVENT_WRITE, BaseSelector


class Outbox:
    """A pipe to write to without ever blocking: what fits goes at once, the rest when the selector finds room."""

    def __init__(self, pipe: FileIO, selector: BaseSelector) -> None:
        self._pipe, self._selector = pipe, selector
        self._rest = bytearray()
        self._last = self._waiting = False

    @property
    def empty(self) -> bool:
        """Whether all that was given is written."""
        return not self._rest

    @property
    def waiting_bytes(self) -> int:
        """How much its reader has yet to take; whoever writes without end must look at it."""
        return len(self._rest)

    def send(self, data: bytes, *, last: bool = False) -> None:
        """Write now or later; after the `last` bytes the pipe is closed. A reader that is gone is no error."""
        if self._pipe.closed or self._last:
            return
        self._rest += data
        self._last = last
        self._flush()

    def _flush(self) -> None:
        try:
            while self._rest and (written := self._pipe.write(self._rest)):
                del self._rest[:written]
        except BrokenPipeError:
            self._rest, self._last = bytearray(), True
        if self._rest and not self._waiting:
            self._selector.register(self._pipe, EVENT_WRITE, self._flush)
            self._waiting = True
        elif not self._rest and self._waiting:
            self._selector.unregister(self._pipe)
            self._waiting = False
        if not self._rest and self._last:
            self._pipe.close()
