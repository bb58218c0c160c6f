"""The two kinds of rows that teach Loopy to read a CLI: `[[event]]` for its stream, `[[limit]]` for its refusals."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from loopy.domain.failures import Failure
from loopy.domain.value import Value


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as broken:
        msg = f"not a regular expression: {broken}"
        raise ValueError(msg) from broken
    return text


Regex = Annotated[str, AfterValidator(_regex)]
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr


class Channel(StrEnum):
    """Where a text was found; assistant prose and tool output are never searched."""

    EVENT = "event"  # an error or a failed result in the stream
    STDERR = "stderr"
    STDOUT = "stdout"  # only for CLIs that report errors there: anchor the pattern
    EXIT = "exit"  # the exit code as text


class ResetForm(StrEnum):
    """How a text says when a limit ends."""

    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    ISO = "iso"
    DURATION = "duration"
    DATE = "date"
    CLOCK_TZ = "clock_tz"
    CLOCK = "clock"


class LimitRule(Value):
    """One pattern of a refusal; the first row that matches wins, context overflow always first."""

    failure: Failure = Field(alias="class")
    on: Channel
    regex: Regex  # a group named `reset` narrows the text that is searched for the time
    reset: ResetForm | None = None  # None: any form
    stop: bool = False  # the CLI would sleep on: end it as soon as this is seen


class Emit(StrEnum):
    """What a line of the stream means."""

    SESSION = "session"
    MESSAGE = "message"
    THOUGHT = "thought"
    TOOL = "tool"
    FILE = "file"
    USAGE = "usage"
    LIMIT = "limit"
    ERROR = "error"
    RESULT = "result"
    OUTPUT = "output"


RESETS = frozenset({"resets_at", "resets_in_s", "resets_in_ms"})
FIELDS: dict[Emit, frozenset[str]] = {
    Emit.SESSION: frozenset({"id", "model", "version"}),
    Emit.MESSAGE: frozenset({"text", "delta"}),
    Emit.THOUGHT: frozenset({"text", "delta"}),
    Emit.TOOL: frozenset({"id", "name", "text", "phase"}),  # phase: start, end or "" (unknown)
    Emit.FILE: frozenset({"path", "kind"}),
    Emit.USAGE: frozenset({"input_tokens", "output_tokens", "cost_usd", "cost_micros", "add"}),
    Emit.LIMIT: frozenset({"class", "text", "stop_over_s"}) | RESETS,
    Emit.ERROR: frozenset({"text", "code", "status"}) | RESETS,
    Emit.RESULT: frozenset({"text", "failed", "code", "status"}) | RESETS,
    Emit.OUTPUT: frozenset({"text"}),
}


class Match(Value):
    """A condition other than equality."""

    present: bool | None = None
    matches: Regex | None = None


class EventRule(Value):
    """One row of a stream's grammar. Every row whose conditions hold emits, in order.

    Paths look like `a.b[0].c`. `each` names a list: the row then holds for each element for which `where` holds, paths
    are relative to the element, and `$.` leads back to the line. A field with several paths takes the first that is
    there; for token counts it takes their sum. `const` gives fixed values, or the defaults of absent fields.
    """

    emit: Emit
    when: dict[str, Scalar | tuple[Scalar, ...] | Match] = Field(default_factory=dict)
    each: str = ""
    where: dict[str, Scalar | tuple[Scalar, ...] | Match] = Field(default_factory=dict)
    fields: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    const: dict[str, Scalar] = Field(default_factory=dict)

    @field_validator("const")
    @classmethod
    def _known_class(cls, const: dict[str, Scalar]) -> dict[str, Scalar]:
        if "class" in const and const["class"] not in {str(f) for f in Failure}:
            msg = f"no failure is called {const['class']!r}"
            raise ValueError(msg)
        return const

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        known = FIELDS[self.emit]
        if unknown := (self.fields.keys() | self.const.keys()) - known:
            msg = f"`{self.emit}` has no field {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
            raise ValueError(msg)
        if self.where and not self.each:
            msg = "`where` needs `each`"
            raise ValueError(msg)
        return self
