"""What a signed fact may hold: kinds of text, number, time and digest that have one reading only.

Names are snake_case in Python and camelCase in JSON. There is no float anywhere: two programs may write one float
in two ways, and a signed text must have one reading.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AliasGenerator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from loopy.domain.value import Value

PROSE_LIMIT = 2000


def _rfc3339(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _utc(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", value, re.ASCII):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a time is an aware datetime, or RFC 3339 text in UTC that ends with Z")
    value = value.astimezone(UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def _clipped(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode()
    return text if len(text) <= PROSE_LIMIT else text[: PROSE_LIMIT - 1] + "…"


def _without_userinfo(value: object) -> object:
    return re.sub(r"(?<=://)[^/@]*@", "", value) if isinstance(value, str) else value


Name = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Prose = Annotated[str, BeforeValidator(_clipped)]  # clipped, not refused: a long error text must not stop a run's end
Uri = Annotated[Name, BeforeValidator(_without_userinfo)]  # a URL's user part may be a token
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
GitId = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Uuid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Count = Annotated[int, Strict(), Field(ge=0, le=2**53 - 1)]  # JavaScript reads integers exactly up to here
ExitCode = Annotated[int, Strict(), Field(ge=-255, le=2**32)]
Flag = Annotated[bool, Strict()]
Timestamp = Annotated[datetime, BeforeValidator(_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")]


class Fact(Value):
    """A part of the statement."""

    model_config = ConfigDict(alias_generator=AliasGenerator(alias=to_camel), populate_by_name=True)


class Sha256Digest(Fact):
    """A SHA-256 digest."""

    sha256: Sha256


class CommitDigest(Fact):
    """A git commit id."""

    git_commit: GitId


class TreeDigest(Fact):
    """A git tree id."""

    git_tree: GitId


class Digest(Fact):
    """One or more digests of one thing, under in-toto's names."""

    sha256: Sha256 | None = None
    git_commit: GitId | None = None
    git_tree: GitId | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Digest:
        if self.sha256 is None and self.git_commit is None and self.git_tree is None:
            raise ValueError("a digest needs a value")
        return self
