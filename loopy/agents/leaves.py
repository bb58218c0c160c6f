"""Leaves: what a CLI puts into the work tree for itself. They are no part of a change, unless the tree had them before.

What the tree held before a CLI's first turn of a run stands in a file of the run's folder, so that a later turn, and
another agent after a crash, know it too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

NOTED = "leaves.json"


def note(leaves: Iterable[str], tree: Path, folder: Path) -> None:
    """Write down which of these paths the tree holds, for those of which nothing is written yet."""
    noted = _noted(folder)
    fresh = {path: _lies(tree, path) for path in leaves if path not in noted}
    if not fresh:
        return
    draft = folder / f".{NOTED}.new"
    draft.write_text(json.dumps({**noted, **fresh}), encoding="utf-8")
    os.replace(draft, folder / NOTED)


def left(known: Iterable[str], tree: Path, folder: Path) -> list[str]:
    """Return which of the known paths CLIs of this run left in the tree for themselves.

    Only paths of `known` count, whatever the run's folder says, and none that a link leads to.
    """
    noted = _noted(folder)
    return [path for path in sorted(known) if noted.get(path) is False and _lies(tree, path)]


def sweep(paths: Iterable[str], tree: Path) -> list[str]:
    """Take these out of the tree, and folders that are empty then; return what is gone."""
    gone = [path for path in paths if _taken(tree, path)]
    for path in gone:
        for parent in Path(path).parents[:-1]:
            try:
                (tree / parent).rmdir()
            except OSError:
                break
    return gone


def _taken(tree: Path, path: str) -> bool:
    place = tree / path
    try:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    except OSError:
        return False  # the gate sees it then
    return True


def _lies(tree: Path, path: str) -> bool:
    """Whether the path is there, and in the tree itself: no part before the last is a link."""
    parts = Path(path).parts
    before = (tree.joinpath(*parts[:n]) for n in range(1, len(parts)))
    return not any(part.is_symlink() for part in before) and os.path.lexists(tree / path)


def _noted(folder: Path) -> dict[str, bool]:
    try:
        found = json.loads((folder / NOTED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
