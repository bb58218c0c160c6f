"""The files that a receipt names by digest, where they lie beside it: evidence, patch and git bundle."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.statement import Statement
from loopy.receipts.findings import Finding, claim, finding

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a receipt's words lead nowhere but beside it
_ABOUT = ("ship.patch", "ship.bundle")


@dataclass(frozen=True, slots=True)
class Named:
    """A file's name and the SHA-256 that the receipt says it has."""

    name: str
    sha256: str


def files_named(statement: Statement) -> tuple[Named, ...]:
    """Return every file that the statement names, each digest once."""
    about = [Named(s.name, s.digest.sha256) for s in statement.subject if s.name in _ABOUT and s.digest.sha256]
    beside = [Named(fact.name, fact.digest.sha256) for fact in statement.predicate.evidence]
    return tuple(dict.fromkeys(about + beside))


def compared(statement: Statement, folder: Path | None) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return a finding for each named file that is there, and the names of those that were not digested."""
    findings, missing = [], []
    for file in files_named(statement):
        found = _compare(file, folder) if folder and _PLAIN.fullmatch(file.name) else None
        if found is None:
            missing.append(file.name)
        else:
            findings.append(found)
    return tuple(findings), tuple(dict.fromkeys(missing))


def _compare(file: Named, folder: Path) -> Finding | None:
    try:
        digest = _digest(folder / file.name)
    except FileNotFoundError:
        return None
    except OSError as error:
        return finding(file.name, None, f"cannot be read: {error.strerror}")
    if not digest:
        return finding(file.name, None, "is not a regular file")
    no = f"digests to {digest}, the receipt says {file.sha256}"
    return claim(file.name, digest == file.sha256, f"digests to {digest}", no)


def _digest(path: Path) -> str:
    """Return the file's SHA-256, "" for what is no regular file; a pipe does not hold us up."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        with open(handle, "rb", closefd=False) as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    finally:
        os.close(handle)
