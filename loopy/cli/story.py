"""A run told from its events: one line for each thing that happened, in the order it happened."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from loopy.cli.paper import columns, cut, ink, line
from loopy.cli.times import lasting
from loopy.domain.counted import counted
from loopy.domain.events import Event
from loopy.domain.states import Step

LONG = (Step.CODE, Step.CHECK)  # steps that are announced when they begin
QUIET = frozenset({"agent.output", "agent.thought", "agent.usage", "agent.started", "agent.result", "check.started"})


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story."""

    at: datetime
    label: str
    text: str
    ink: str = "plain"
    whole: bool = False  # wrapped, not cut


class Teller:
    """Tells one run; `loud` also tells what the agent thinks and prints."""

    def __init__(self, *, loud: bool = False) -> None:
        self._loud, self._spoke = loud, False  # what a command prints are its words, until it has better ones
        self.step, self.said = "", ""  # the step under way, and the agent's last words in it
        self.since: datetime | None = None

    def tell(self, event: Event) -> Iterator[Line]:
        """Yield the lines that this event adds to the story; mostly one, often none."""
        if event.version is None:
            yield from self._stream(event)
        elif event.name == "step.claimed":
            self.step, self.since, self.said = event.step, event.at, ""
            if event.step in LONG:
                yield Line(event.at, event.step, f"turn {event.turn}")
        else:
            yield from self._moved(event)

    def _stream(self, event: Event) -> Iterator[Line]:
        if event.text.strip() and (event.name == "agent.message" or (event.name == "agent.output" and not self._spoke)):
            self.said, self._spoke = line(event.text), event.name == "agent.message"
        if event.name in QUIET and not self._loud:
            return
        tell = STREAM.get(event.name)
        if tell is not None:
            yield from tell(event)

    def _moved(self, event: Event) -> Iterator[Line]:
        ended, self.step, self.since, self.said = self.step, "", None, ""
        text = line(event.text)
        match event.name:
            case "run.waiting":
                yield Line(event.at, "waiting", text, "quiet", whole=True)
            case "run.freed":
                yield Line(event.at, "freed", f"{text}; {event.step} is done again", "quiet", whole=True)
            case "run.cancel_requested":
                yield Line(event.at, "cancel", f"asked for by {text}")
            case "run.ended" if not ended or not text:
                return
            case _ if ended and text:
                yield Line(event.at, "" if ended in LONG else ended, text, whole=True)
            case "run.ready" | "run.forked" if text:
                yield Line(event.at, event.name.removeprefix("run."), text, whole=True)


def _check(event: Event) -> Iterator[Line]:
    passed = bool(event.facts.get("passed"))
    tests, failed = event.facts.get("tests"), event.facts.get("failed_tests")
    parts = [line(event.text)]
    if tests:
        parts.append(
            f"{failed} of {counted(int(str(tests)), 'test')} failed" if failed else counted(int(str(tests)), "test")
        )
    parts.append(lasting(float(event.facts.get("duration_ms") or 0) / 1000))
    yield Line(event.at, "", f"{'✓' if passed else '✗'} {' · '.join(parts)}", "good" if passed else "bad")


def _said(event: Event) -> Iterator[Line]:
    for text in event.text.strip().splitlines():
        if text.strip():
            yield Line(event.at, "", f"│ {line(text)}")


def _plain(event: Event) -> Iterator[Line]:
    for text in event.text.strip().splitlines():
        if text.strip():
            yield Line(event.at, "", f"  {line(text)}", "quiet")


def _tool(event: Event) -> Iterator[Line]:
    yield Line(event.at, "", f"· {line(str(event.facts.get('tool') or ''))} {line(event.text)}".rstrip(), "quiet")


def _file(event: Event) -> Iterator[Line]:
    yield Line(event.at, "", f"± {line(event.text)}", "quiet")


def _limit(event: Event) -> Iterator[Line]:
    yield Line(event.at, "limit", line(event.text), "quiet")


def _error(event: Event) -> Iterator[Line]:
    yield Line(event.at, "", f"! {line(event.text)}", "bad")


def _started(event: Event) -> Iterator[Line]:
    yield Line(event.at, "", f"· {event.name.replace('.', ' ')} {line(event.text)}".rstrip(), "quiet")


STREAM: Mapping[str, Callable[[Event], Iterator[Line]]] = {
    "agent.message": _said,
    "agent.thought": _plain,
    "agent.output": _plain,
    "agent.tool": _tool,
    "agent.file": _file,
    "agent.limit": _limit,
    "agent.error": _error,
    "agent.started": _started,
    "check.started": _started,
    "check.finished": _check,
    "step.progress": _plain,
}


def written(told: Line, began: datetime) -> str:
    """Return the line as it is printed: time since the beginning, label, text."""
    return laid_out(f"{lasting((told.at - began).total_seconds()):>8}", told)


def laid_out(first: str, told: Line) -> str:
    """Return the line after a first column; Loopy's own words are wrapped below each other, others' words cut."""
    head = f"{first}  {told.label:<9} "
    room = max(columns() - len(head) - 1, 24)
    parts = textwrap.wrap(told.text, room) if told.whole else [cut(told.text, room)]
    gap = "\n" + " " * len(head)
    return f"{ink(first, 'quiet')}{head[len(first) :]}{gap.join(ink(part, told.ink) for part in parts)}".rstrip()
