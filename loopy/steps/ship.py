"""The ship step's words: the branch, the commit message, and where it goes; the effect itself is the engine's."""

from __future__ import annotations

import re

from loopy.domain.evidence import EvidencePack
from loopy.domain.ticket import Ticket

SLUG = 40


def branch(prefix: str, run_id: str, title: str) -> str:
    """Return the full ref that a run ships to, e.g. refs/heads/loopy/lp-12.3-fix-the-parser; safe for any title."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower().encode("ascii", "ignore").decode()).strip("-")[:SLUG].strip("-")
    return f"refs/heads/{prefix}{run_id.lower()}{f'-{slug}' if slug else ''}"


def message(ticket: Ticket, run_id: str, pack: EvidencePack) -> str:
    """Return the commit message: what and why, then the trailer that leads to the receipt."""
    subject = ticket.title if len(ticket.title) <= 72 else ticket.title[:71] + "…"
    checks = pack.turns[-1].report if pack.turns else None
    passed = ", ".join(r.name for r in checks.results) if checks else ""
    body = f"Checks passed on this tree: {passed}." if passed else ""
    agents = sorted({f"{t.agent}{' (scripted)' if t.scripted else ''}" for t in pack.turns if t.change})
    trailers = [f"Loopy-Run: {run_id}", *(f"Loopy-Agent: {a}" for a in agents)]
    return "\n\n".join(part for part in (subject, body, "\n".join(trailers)) if part) + "\n"
