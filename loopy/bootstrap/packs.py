"""The files of a run's evidence: kept under their digest while the run goes on, with plain names when it has ended.

What the graph records names a file by its digest, so that no worker that lost its claim can put another in its place.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from loopy.process.durable import sync_folder, write_whole
from loopy.workspace.folders import make, wipe

KEPT = "packs"


def keep(folder: Path, name: str, content: bytes) -> str:
    """Write `packs/<sha256>/<name>`, whole or not at all and safe from a power cut; return the sha256."""
    digest = sha256(content).hexdigest()
    at = make(folder / KEPT / digest)
    write_whole(at / name, content)
    for above in (at, at.parent, folder):
        sync_folder(above)
    return digest


def place(folder: Path, files: Mapping[str, str]) -> None:
    """Give kept files (name → sha256) their plain names in the folder; doing it again changes nothing."""
    for name, digest in files.items():
        kept, fresh = folder / KEPT / digest / name, folder / f".{name}.{secrets.token_hex(4)}"
        if kept.exists():
            os.link(kept, fresh)
            os.replace(fresh, folder / name)
            fresh.unlink(missing_ok=True)  # a rename onto a link of the same file leaves both names
    sync_folder(make(folder))


def find(folder: Path, name: str, digest: str) -> Path:
    """Return where the file with this digest lies: under its digest, or under its plain name when the run has ended."""
    kept = folder / KEPT / digest / name
    return kept if digest and kept.exists() else folder / name


def drop(folder: Path) -> None:
    """Remove what is kept under digests; the plain names stay."""
    wipe(folder / KEPT)
