"""What a verification found: one finding per question, and the exit code that follows from all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loopy.domain.statement import Statement

SHOWN_LIMIT = 600


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question: `ok` is True, False, or None if it could not be told. `text` is safe to print."""

    name: str
    ok: bool | None
    text: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings, with what the receipt itself admits (`notes`) and what nobody asked to compare (`not_checked`).

    `statement` is what the receipt says, None if it could not be read; believe it only as far as `exit_code` allows.
    """

    findings: tuple[Finding, ...]
    statement: Statement | None = None
    signed_by: str = ""
    notes: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: every finding holds. 1: at least one does not. 2: none fails, but at least one could not be told."""
        answers = {finding.ok for finding in self.findings}
        if False in answers:
            return 1
        return 2 if None in answers or not answers else 0


def finding(name: str, ok: bool | None, text: str) -> Finding:
    """Return a finding whose text cannot move a terminal's cursor or hide a line."""
    return Finding(name, ok, shown(text))


def shown(text: str) -> str:
    """Return `text` with everything unprintable spelled out, cut at a length; a receipt's words are anybody's words."""
    cut = text if len(text) <= SHOWN_LIMIT else text[:SHOWN_LIMIT] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def claim(name: str, ok: bool, yes: str, no: str) -> Finding:
    """Return the finding that says `yes` or `no`."""
    return finding(name, ok, yes if ok else no)


def failures(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that do not hold."""
    return tuple(found for found in findings if found.ok is False)
