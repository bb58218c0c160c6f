"""A review: what an agent that changes nothing says of a change; it can object, and never overrule a check or the gate."""

from __future__ import annotations

from typing import Literal

from loopy.domain.agent import Usage
from loopy.domain.value import Value


class Remark(Value):
    """One thing that a reviewer found."""

    text: str
    path: str = ""
    line: int | None = None
    severity: Literal["blocker", "warning", "note"] = "warning"


class Review(Value):
    """One reviewer's word on one tree."""

    agent: str
    kind: Literal["review", "security"]
    approved: bool
    summary: str = ""
    remarks: tuple[Remark, ...] = ()
    model: str = ""
    cli_version: str = ""
    scripted: bool = False
    usage: Usage = Usage()
    transcript: str = ""
    transcript_sha256: str = ""
