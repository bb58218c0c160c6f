"""Checks: the commands whose exit codes decide, and what came of them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, field_validator

from loopy.domain.held import Held
from loopy.domain.review import Review
from loopy.domain.value import Value


class CheckSpec(Value):
    """A command that must exit 0 in a clean checkout of the very tree that ships."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")
    argv: tuple[str, ...] = Field(min_length=1)
    cwd: str = "."
    timeout_s: int = Field(default=900, ge=1, le=86_400)

    @field_validator("cwd")
    @classmethod
    def _inside(cls, cwd: str) -> str:
        if cwd.startswith("/") or ".." in cwd.split("/"):
            msg = "a check's cwd stays inside the repository"
            raise ValueError(msg)
        return cwd


class CheckResult(Value):
    """One check's outcome; `tail` is the redacted end of its output, `log` the digest of all of it."""

    name: str
    argv: tuple[str, ...]
    cwd: str = "."
    exit_code: int | None  # None: did not end by itself
    passed: bool
    why: str = ""  # "exit 1", "timed out after 900 s", "not found"
    tail: str = ""
    log_sha256: str = ""
    log_path: str = ""  # relative to the run's folder
    started_at: datetime
    duration_ms: int
    tests: int | None = None
    failed_tests: tuple[str, ...] = ()


class CheckReport(Value):
    """All checks of one turn on one tree; every failure is the next turn's feedback."""

    kind: Literal["check"] = "check"
    tree: str
    results: tuple[CheckResult, ...]
    held: Held | None = None  # by what the commands were boxed in
    reviews: tuple[Review, ...] = ()
    unreviewed: tuple[str, ...] = ()  # why a review that size or risk ask for is missing

    @property
    def passed(self) -> bool:
        """Whether every check passed and no reviewer objects; no checks at all is not a pass."""
        return bool(self.results) and all(r.passed for r in self.results) and not self.objections

    @property
    def objections(self) -> tuple[Review, ...]:
        """The reviews that want something mended."""
        return tuple(r for r in self.reviews if not r.approved)

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that did not pass."""
        return tuple(r for r in self.results if not r.passed)
