"""Reading an agent's output: its lines become events, and what they tell about session, usage, limits and result is kept."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from loopy.agents.fields import fields_of, holds, integer, text_of
from loopy.agents.limits import Verdict, classify, in_order
from loopy.agents.paths import dig
from loopy.agents.resets import from_epoch, reset_at
from loopy.agents.rules import Channel, Emit, EventRule
from loopy.agents.spec import Spec
from loopy.domain.agent import Usage
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure

WHOLE_CHARS = 16_000_000  # of a CLI that prints one JSON object at its end
MESSAGE_CHARS = 64_000
TAIL_LINES = 400
LOOKED_AT = 4  # lines that a `stop` row sees at once

Emitted = tuple[StreamEvent, str | None]  # the event and what joins it to the one before, None: nothing


class Reading:
    """What has been read of one attempt so far; give it lines, it gives events. `rows` replace the entry's own grammar.

    `verdict` is a limit that the stream stated and no later success took back; `stop` says that waiting for the end is
    pointless; `failed` is what the last result said, None before any.
    """

    def __init__(self, spec: Spec, now: Callable[[], datetime], rows: tuple[EventRule, ...] | None = None) -> None:
        self._rows, self._now = spec.event if rows is None else rows, now
        self._output = "jsonl" if rows is not None else spec.print.output if spec.print else "text"
        self.rules = in_order(spec.limit)
        self._eager = {on: [r for r in self.rules if r.stop and r.on is on] for on in (Channel.STDOUT, Channel.STDERR)}
        self._whole: list[str] = []
        self._whole_chars = 0
        self._in_delta = False
        self._usage: dict[str, int] = {}
        self.session_id = self.model = self.version = self.message = ""
        self.failed: bool | None = None
        self.worked = self.spoke = self.stop = False
        self.ended = False  # by us: a success that it states now is its dying word (Copilot does so on SIGTERM)
        self.verdict: Verdict | None = None
        self.stated_reset: datetime | None = None  # beside an error, in a field of its own
        self.open_tools: set[str] = set()
        self.said: deque[str] = deque(maxlen=TAIL_LINES)  # on the error channel of the stream
        self.tails: dict[Channel, deque[str]] = {
            Channel.STDOUT: deque(maxlen=TAIL_LINES),
            Channel.STDERR: deque(maxlen=TAIL_LINES),
        }

    @property
    def usage(self) -> Usage:
        """What the agent says it used."""
        return Usage(**self._usage)

    @property
    def cost_micros(self) -> int:
        """What the agent says so far that it cost; 0 while it says nothing."""
        return self._usage.get("cost_micros", 0)

    @property
    def structured(self) -> bool:
        """Whether the CLI speaks JSON."""
        return self._output != "text"

    def tail(self, channel: Channel) -> str:
        """Return the last lines of a channel."""
        return "\n".join(self.said if channel is Channel.EVENT else self.tails.get(channel, ()))

    def plain(self, lines: Sequence[str]) -> Iterator[Emitted] | None:
        """Read lines of output of which none can be JSON all at once; None when they must be read one by one."""
        if (
            self._output == "json"
            or self._eager[Channel.STDOUT]
            or any(line.lstrip().startswith("{") for line in lines)
        ):
            return None
        self.tails[Channel.STDOUT].extend(line[:2000] for line in lines[-TAIL_LINES:])
        return iter([(StreamEvent("agent.output", "\n".join(lines)), "\n")])

    def stdout(self, line: str) -> Iterator[Emitted]:
        """Read a line of output."""
        if self._output == "json" and self._whole_chars < WHOLE_CHARS:
            self._whole.append(line)
            self._whole_chars += len(line)
            return
        node = _parsed(line)
        if node is not None and any(holds(row.when, node) for row in self._rows):
            yield from self.parsed(node)
        elif node is None or self._output == "text":  # of a JSON stream, what no row knows is noise
            self.tails[Channel.STDOUT].append(line[:2000])
            self._look_ahead(Channel.STDOUT)
            yield StreamEvent("agent.output", line), "\n"

    def parsed(self, node: Mapping[str, Any]) -> Iterator[Emitted]:
        """Read a line that is parsed already."""
        self.spoke = True
        yield from self._emit(node)

    def stderr(self, line: str) -> Iterator[Emitted]:
        """Read a line of error output."""
        if not line.strip():
            return
        self.tails[Channel.STDERR].append(line[:2000])
        self._look_ahead(Channel.STDERR)
        yield StreamEvent("agent.output", line, {"stream": "stderr"}), "\n"

    def _look_ahead(self, channel: Channel) -> None:
        """End the wait when the last lines say that the CLI would only sleep on."""
        if rules := self._eager[channel]:
            last = "\n".join(list(self.tails[channel])[-LOOKED_AT:])
            if found := classify(rules, channel, last, self._now()):
                self.verdict, self.stop = found, True

    def end(self) -> Iterator[Emitted]:
        """Read what can only be read at the end."""
        if self._whole:
            text, self._whole = "\n".join(self._whole), []
            node = _parsed(text[text.find("{") :] if "{" in text else "")
            if node is not None and any(holds(row.when, node) for row in self._rows):
                self.spoke = True
                yield from self._emit(node)
            else:
                self.tails[Channel.STDOUT].extend(text[-20_000:].splitlines())
                yield StreamEvent("agent.output", text), None

    def _emit(self, line: Mapping[str, Any]) -> Iterator[Emitted]:
        for row in self._rows:
            if holds(row.when, line):
                for node in _elements(row, line):
                    yield from _HANDLERS[row.emit](self, fields_of(row, node, line))

    def used(self, stated: Mapping[str, int]) -> Iterator[Emitted]:
        """Take what the CLI states beside its stream."""
        return self._used(stated)

    # ---- one method for each kind of row ----

    def _session(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        new = text_of(got.get("id")), text_of(got.get("model")) or self.model
        self.version = text_of(got.get("version")) or self.version
        if new != (self.session_id, self.model) and (new[0] or new[1] != self.model):
            self.session_id, self.model = new[0] or self.session_id, new[1]
            yield StreamEvent("agent.started", "", {"session": self.session_id, "model": self.model}), None

    def _message(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        text, delta = text_of(got.get("text")), got.get("delta") is True
        if not text:
            return
        self.message = ((self.message if delta and self._in_delta else "") + text)[-MESSAGE_CHARS:]
        self._in_delta = delta
        yield StreamEvent("agent.message", text), "" if delta else None

    def _thought(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        if text := text_of(got.get("text")):
            yield StreamEvent("agent.thought", text), "" if got.get("delta") is True else None

    def _tool(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        self.worked, self._in_delta = True, False
        name, phase, key = text_of(got.get("name")), text_of(got.get("phase")), text_of(got.get("id"))
        if phase == "start":
            self.open_tools.add(key)
        else:
            self.open_tools.discard(key)
        if phase != "end" or name:
            yield StreamEvent("agent.tool", text_of(got.get("text"), 500), {"tool": name, "phase": phase}), None

    def _file(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        self.worked = True
        if path := text_of(got.get("path"), 1000):
            yield StreamEvent("agent.file", path, {"kind": text_of(got.get("kind"), 40)}), None

    def _used(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        micros = integer(got.get("cost_micros"))
        if micros is None and isinstance(usd := got.get("cost_usd"), (int, float)):
            micros = round(usd * 1_000_000)
        stated = {
            "input_tokens": integer(got.get("input_tokens")),
            "output_tokens": integer(got.get("output_tokens")),
            "cost_micros": micros,
        }
        for key, value in stated.items():
            if value is not None:
                self._usage[key] = value + (self._usage.get(key, 0) if got.get("add") is True else 0)
        yield StreamEvent("agent.usage", "", dict(self._usage)), None

    def _limit(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        now, text = self._now(), text_of(got.get("text"), 500)
        when = stated_reset(got, now) or reset_at(text, now)
        facts: dict[str, str | int | bool | None] = {"resets_at": when.isoformat() if when else None}
        name = text_of(got.get("class"))
        if name:
            failure = Failure(name) if name in _LIMITS else Failure.QUOTA
            self.verdict = Verdict(failure, text or f"the agent reported: {failure}", when)
            facts["class"] = str(failure)
            over = integer(got.get("stop_over_s"))
            if over is not None and (when - now if when else timedelta()) >= timedelta(seconds=over):
                self.stop = True
        yield StreamEvent("agent.limit", text, facts), None

    def _error(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        text = self._blamed(got)
        yield StreamEvent("agent.error", text), None

    def _result(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        if self.ended and got.get("failed") is not True:
            return
        self.failed = got.get("failed") is True
        text = text_of(got.get("text"), MESSAGE_CHARS)
        if self.failed:
            text = self._blamed(got)
        else:
            self.verdict, self.stop = None, False
            self.message = text or self.message
        self.open_tools.clear()
        yield StreamEvent("agent.result", text, {"failed": self.failed}), None

    def _blamed(self, got: Mapping[str, Any]) -> str:
        text = _blame(got)
        self.said.append(text)
        self.stated_reset = stated_reset(got, self._now()) or self.stated_reset
        return text

    def _plain(self, got: Mapping[str, Any]) -> Iterator[Emitted]:
        yield StreamEvent("agent.output", text_of(got.get("text"))), "\n"


_HANDLERS: Mapping[Emit, Callable[[Reading, Mapping[str, Any]], Iterator[Emitted]]] = {
    Emit.SESSION: Reading._session,  # noqa: SLF001 - the table of the class's own methods
    Emit.MESSAGE: Reading._message,  # noqa: SLF001
    Emit.THOUGHT: Reading._thought,  # noqa: SLF001
    Emit.TOOL: Reading._tool,  # noqa: SLF001
    Emit.FILE: Reading._file,  # noqa: SLF001
    Emit.USAGE: Reading._used,  # noqa: SLF001
    Emit.LIMIT: Reading._limit,  # noqa: SLF001
    Emit.ERROR: Reading._error,  # noqa: SLF001
    Emit.RESULT: Reading._result,  # noqa: SLF001
    Emit.OUTPUT: Reading._plain,  # noqa: SLF001
}
_LIMITS = frozenset({"quota", "throttle", "capacity", "auth", "billing", "context_overflow"})


def _parsed(line: str) -> dict[str, Any] | None:
    text = line.strip()
    if not text.startswith("{"):
        return None
    try:
        node = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return node if isinstance(node, dict) else None


def _elements(row: EventRule, line: Mapping[str, Any]) -> Sequence[Any]:
    if not row.each:
        return (line,)
    found = dig(line, row.each)
    return [node for node in found if holds(row.where, node)] if isinstance(found, list) else ()


def stated_reset(got: Mapping[str, Any], now: datetime) -> datetime | None:
    """Return the reset time that the fields state: a point in time, or a distance."""
    at = got.get("resets_at")
    try:
        if isinstance(at, (int, float)) and not isinstance(at, bool):
            return from_epoch(at)
        if isinstance(at, str) and re.fullmatch(r"\d{10,13}", at):
            return from_epoch(float(at))
        if isinstance(at, str):
            when = datetime.fromisoformat(at)
            return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
        for name, unit in (("resets_in_s", 1.0), ("resets_in_ms", 0.001)):
            if got.get(name) is not None:
                return now + timedelta(seconds=float(got[name]) * unit)
    except (ValueError, OverflowError, TypeError, OSError):
        return None
    return None


def _blame(got: Mapping[str, Any]) -> str:
    """Return an error as one text: status, code and words, each only once."""
    parts: list[str] = []
    for name in ("status", "code", "text"):
        text = text_of(got.get(name), 4000)
        if text and not any(text in part for part in parts):
            parts.append(text)
    return " ".join(parts)
