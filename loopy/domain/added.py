"""What added text brings in: secrets, bidirectional controls, skipped tests, large-file pointers; pure.

A finding names rule, path, line and kind, never the text itself. A pattern scan is a seat belt: the boundary is that an
agent is not given secrets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple


class Secret(NamedTuple):
    """One kind of secret: the literal that must be there (a fast look), and the pattern that decides."""

    kind: str
    literal: str
    pattern: re.Pattern[str]


class Line(NamedTuple):
    """An added line and its number in the new file."""

    number: int
    text: str


def _secret(kind: str, literal: str, pattern: str) -> Secret:
    return Secret(kind, literal, re.compile(pattern, re.ASCII))


SECRETS: tuple[Secret, ...] = (
    _secret("private key", "PRIVATE KEY", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    _secret("AWS access key", "AKIA", r"\bAKIA[0-9A-Z]{16}\b"),
    _secret("AWS temporary key", "ASIA", r"\bASIA[0-9A-Z]{16}\b"),
    _secret("GitHub token", "ghp_", r"\bghp_[A-Za-z0-9]{36,}\b"),
    _secret("GitHub OAuth token", "gho_", r"\bgho_[A-Za-z0-9]{36,}\b"),
    _secret("GitHub user token", "ghu_", r"\bghu_[A-Za-z0-9]{36,}\b"),
    _secret("GitHub app token", "ghs_", r"\bghs_[A-Za-z0-9]{36,}\b"),
    _secret("GitHub refresh token", "ghr_", r"\bghr_[A-Za-z0-9]{36,}\b"),
    _secret("GitHub fine-grained token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{40,}\b"),
    _secret("GitLab token", "glpat-", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    _secret("Slack token", "xox", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    _secret("Slack app token", "xapp-", r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}"),
    _secret(
        "Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]{16,}"
    ),
    _secret("Google API key", "AIza", r"\bAIza[0-9A-Za-z_-]{35}"),
    _secret("Google OAuth token", "ya29.", r"\bya29\.[0-9A-Za-z_-]{20,}"),
    _secret("Google OAuth secret", "GOCSPX-", r"\bGOCSPX-[0-9A-Za-z_-]{20,}"),
    _secret("Anthropic key", "sk-ant-", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    _secret("OpenAI key", "sk-", r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_]{32,}"),
    _secret("Stripe key", "_live_", r"\b[sr]k_live_[0-9A-Za-z]{16,}"),
    _secret("Stripe webhook secret", "whsec_", r"\bwhsec_[0-9A-Za-z+/]{24,}"),
    _secret("npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _secret("PyPI token", "pypi-", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    _secret("Linear key", "lin_", r"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
    _secret("Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{30,}\b"),
    _secret("Tavily key", "tvly-", r"\btvly-[A-Za-z0-9-]{20,}"),
    _secret("Firecrawl key", "fc-", r"\bfc-[0-9a-f]{32}\b"),
    _secret("SendGrid key", "SG.", r"\bSG\.[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{30,}"),
    _secret("Twilio key", "SK", r"\bSK[0-9a-f]{32}\b"),
    _secret("DigitalOcean token", "dop_v1_", r"\bdop_v1_[0-9a-f]{64}\b"),
    _secret("Shopify token", "shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    _secret("Telegram bot token", ":AA", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    _secret("age key", "AGE-SECRET-KEY-", r"\bAGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    _secret("JSON web token", "eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    _secret("password in a URL", "://", r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"<>{}$]+:[^\s/:@'\"<>{}$]{6,}@[A-Za-z0-9.-]+"),
)
_ASSIGNED = re.compile(
    r"(?i)(?:api[_-]?key|secret|token|passwd|password|credential)[\"']?\s*[:=]\s*[\"']([A-Za-z0-9+/=_-]{20,200})[\"']"
)
_SKIPPED = re.compile(
    r"pytest\.mark\.(?:skip|xfail)|pytest\.skip\(|unittest\.skip|\b(?:it|test|describe)\.(?:skip|only|todo)\(|\bx(?:it|describe)\("
    r"|\bt\.Skip(?:f|Now)?\(|@(?:Disabled|Ignore)\b|#\[ignore|\bassert\s+True\b|expect\(true\)\.toBe\(true\)"
)
_POINTER = "version https://git-lfs.github.com/spec/"
_POINTER_SIZE = re.compile(r"^size ([0-9]{1,18})$", re.MULTILINE)
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_EXAMPLE = ("EXAMPLE", "example", "xxxxxxxx", "XXXXXXXX", "00000000")
ENTROPY_BITS = 3.7  # per character; random base64 of 20 letters has about 4.0, words and paths have less


def added_lines(new: str, known: Collection[str] = ()) -> list[Line]:
    """Return the non-empty lines of `new` that are not among the known ones (give a set: the lines of the old files)."""
    return [Line(n, text) for n, text in enumerate(new.split("\n"), 1) if text and text not in known]


def scan_added(path: str, lines: Iterable[Line]) -> tuple[str, ...]:
    """Return notes (`rule: path (detail)`) on the added lines of a file; one per rule and kind, its first line named."""
    added = list(lines)
    text = "\n".join(line.text for line in added)
    notes = [f"secret: {path} (line {_line(added, at)}, {kind})" for kind, at in _secrets(text)]
    if found := _BIDI.search(text):
        notes.append(f"bidi-control: {path} (line {_line(added, found.start())})")
    if found := _weak(text):
        notes.append(f"possible-secret: {path} (line {_line(added, found.start())})")
    if found := _SKIPPED.search(text):
        notes.append(f"test-skipped: {path} (line {_line(added, found.start())})")
    if text.startswith(_POINTER):
        size = _POINTER_SIZE.search(text)
        notes.append(f"lfs-pointer: {path} ({f'for {int(size[1]):,} bytes' if size else 'without a size'})")
    return tuple(notes)


def _secrets(text: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for secret in SECRETS:
        if secret.literal in text:
            real = (m for m in secret.pattern.finditer(text) if not any(mark in m[0] for mark in _EXAMPLE))
            found += [(secret.kind, match.start()) for match in list(real)[:1]]
    return found


def _weak(text: str) -> re.Match[str] | None:
    """Return the first assignment of a random-looking literal to a name that says it is secret."""
    matches = (m for m in _ASSIGNED.finditer(text) if not any(mark in m[1] for mark in _EXAMPLE))
    return next((m for m in matches if _entropy(m[1]) >= ENTROPY_BITS), None)


def _entropy(word: str) -> float:
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)


def _line(lines: Sequence[Line], at: int) -> int:
    for line in lines:
        if at <= len(line.text):
            return line.number
        at -= len(line.text) + 1
    return lines[-1].number if lines else 0
