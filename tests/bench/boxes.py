"""What the sandbox costs: the start of `true` with a box around it and without, in turns."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from loopy.ports import Reach, Sandbox
from loopy.sandbox.choose import Asked, choose_sandbox
from loopy.sandbox.none import NoSandbox


def box_here(home: Path) -> Sandbox | None:
    """Return the box of this host as a worker would have it, None when it has none."""
    found = choose_sandbox(
        Asked(path=os.environ["PATH"], home=Path(os.environ.get("HOME", "/nonexistent")), shut=(home,))
    )
    return found if found.held.grade != "none" else None


def starts(box: Sandbox, folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds of each start, boxed and unboxed; making the box's arguments is in them."""
    tree, scratch = folder / "tree", folder / "scratch"
    for path in (tree / ".git", scratch):
        path.mkdir(parents=True, exist_ok=True)
    reach = Reach(tree, (scratch,), env={"PATH": os.environ["PATH"]})
    boxed, bare = list[float](), list[float]()
    for _ in range(rounds + 1):
        for sandbox, took in ((box, boxed), (NoSandbox(), bare)):
            began = time.monotonic()
            subprocess.run(sandbox.wrap(["true"], reach), cwd=tree, env=dict(reach.env), check=True)
            took.append(time.monotonic() - began)
    return boxed[1:], bare[1:]  # the first looks through /etc
