"""The live stream of one turn: events redacted, cut to size, joined where they belong together, and sent in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from loopy.agents.redact import Redactor
from loopy.domain.events import StreamEvent
from loopy.process.text import clean

TEXT_LIMIT = 8_000  # characters of one event
BATCH_EVENTS = 100
BATCH_CHARS = 64_000
BATCH_S = 0.25
BUDGET_BYTES = 2_000_000  # of one turn; then only the events that decide go on, the transcript has the rest
ROW_BYTES = 200  # what an event costs beside its text
JOINED_CHARS = 4_000
END = "[the live stream ends here; see the transcript]"
DECISIVE = frozenset({"agent.started", "agent.usage", "agent.limit", "agent.error", "agent.result"})


class LiveStream:
    """Gathers events and hands them to `emit` when enough of them or enough time has come together."""

    def __init__(
        self,
        emit: Callable[..., None],
        redactor: Redactor,
        awake: Callable[[], float],
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self._emit, self._redactor, self._awake = emit, redactor, awake
        self._budget, self._left_out = budget_bytes, 0
        self._waiting: list[StreamEvent] = []
        self._chars = 0
        self._since = awake()

    def add(self, event: StreamEvent, joint: str | None = None) -> None:
        """Take an event; with a joint it continues the text of the last one, if that has the same name and facts.

        Lines that are joined already are cut apart again between lines where they are too many for one event.
        """
        many = joint == "\n" and len(event.text) > JOINED_CHARS and self._budget > 0
        for part in _between_lines(event.text) if many else (event.text,):
            self._add(StreamEvent(event.name, part, event.facts), joint)

    def _add(self, event: StreamEvent, joint: str | None) -> None:
        decisive = event.name in DECISIVE
        if self._budget <= 0 and not decisive:
            self._left_out += len(event.text)
            return
        size = min(len(event.text), TEXT_LIMIT)
        self._chars += size
        self._budget -= len(event.text[:TEXT_LIMIT].encode("utf-8", "replace"))
        last = self._waiting[-1] if self._waiting and joint is not None else None
        if last and joint is not None and _alike(last, event) and len(last.text) + size < JOINED_CHARS:
            self._waiting[-1] = StreamEvent(last.name, last.text + joint + event.text, last.facts)
        else:
            self._waiting.append(event)
            self._budget -= ROW_BYTES
        if self._budget <= 0 and not decisive:
            self._waiting.append(StreamEvent("agent.output", END))
        if len(self._waiting) >= BATCH_EVENTS or self._chars >= BATCH_CHARS:
            self.flush()

    def tick(self) -> None:
        """Send what has waited long enough; to be called several times a second."""
        if self._waiting and self._awake() - self._since >= BATCH_S:
            self.flush()

    def flush(self) -> None:
        """Send everything now."""
        self._since, self._chars = self._awake(), 0
        if self._waiting:
            batch, self._waiting = self._waiting, []
            self._emit(*map(self._fit, batch))

    def close(self) -> None:
        """Send what waits, and how much was left out."""
        if self._left_out:
            text = f"[{self._left_out:,} more characters are not in the live stream; see the transcript]"
            self._waiting.append(StreamEvent("agent.output", text))
        self.flush()

    def _fit(self, event: StreamEvent) -> StreamEvent:
        facts = {
            key: self._redactor.text(value)[:TEXT_LIMIT] if isinstance(value, str) else value
            for key, value in event.facts.items()
        }
        text = self._redactor.text(event.text[: 2 * TEXT_LIMIT])  # the rest cannot come back into view
        if len(text) > TEXT_LIMIT:
            text = text[:TEXT_LIMIT] + "…"
        return StreamEvent(event.name, printable(text), facts)


def _between_lines(text: str) -> Iterator[str]:
    at = 0
    while len(text) - at > JOINED_CHARS:
        cut = text.rfind("\n", at, at + JOINED_CHARS)
        if cut < 0 and (cut := text.find("\n", at)) < 0:
            break
        yield text[at:cut]
        at = cut + 1
    yield text[at:]


def printable(text: str) -> str:
    """Return the text as every store and terminal can take it: no control characters, no lone surrogate."""
    return clean(text.encode("utf-8", "replace").decode())


def _alike(one: StreamEvent, other: StreamEvent) -> bool:
    return one.name == other.name and one.facts == other.facts
