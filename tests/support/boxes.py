"""Whether bubblewrap works here, and stand-ins for one that does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.choose import Asked, look_here

WORKS = isinstance(look_here(Asked(path=os.environ["PATH"])), Bubblewrap)
needs_bwrap = pytest.mark.skipif(not WORKS, reason="bubblewrap does not work here: `loopy doctor` says why")
FORBIDDEN = "bwrap: setting up uid map: Permission denied"


def fake(folder: Path, script: str) -> str:
    """Return a folder for PATH with a bubblewrap of our own in it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bwrap").chmod(0o755)
    return str(folder)


def broken(folder: Path) -> str:
    """Return a folder for PATH with a bubblewrap in it that this host forbids."""
    return fake(folder, f'case "$1" in --version) echo bubblewrap 0.9.0;; *) echo "{FORBIDDEN}" >&2; exit 1;; esac')


def before(folder: str) -> str:
    """Return this process's PATH with the folder in front."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
