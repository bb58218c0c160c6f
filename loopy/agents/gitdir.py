"""A git dir of the agent's own for one turn: it may stage, commit and stash as it likes, and nothing of that is kept.

In a box the copy stands in for the work tree's `.git`, which so stays as Loopy made it: a hook or a setting that an agent
writes is gone with the turn, and nobody's git obeys it later.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PREFIX = "git-"


@contextmanager
def own_git(tree: Path, scratch: Path) -> Iterator[Mapping[Path, Path]]:
    """Give what stands in for what: the tree's git dir is replaced by a copy in `scratch`; nothing for a tree without one.

    Raises OSError when the copy cannot be made.
    """
    git = tree / ".git"
    if not stat.S_ISDIR(_mode(git)):
        yield {}
        return
    # a fresh name: whatever an agent left in its scratch folder, this is a folder that was just made
    copy = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
    try:
        shutil.copytree(git, copy, symlinks=True, ignore=_special, dirs_exist_ok=True)
        yield {git: copy}
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _special(folder: str, names: list[str]) -> list[str]:
    """Return the names that are no file, folder or link: a pipe would make us wait."""
    kinds = {name: stat.S_IFMT(_mode(Path(folder, name))) for name in names}
    return [name for name, kind in kinds.items() if kind not in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}]


def _mode(path: Path) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0
