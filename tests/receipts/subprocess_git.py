"""A GitReader for tests, by plain git."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from .support import GIT_ENV, git


class SubprocessGit:
    """A GitReader for tests; the project's own stands on its git runner."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo

    def has(self, commit: str) -> bool:
        return self._try("cat-file", "-e", f"{commit}^{{commit}}") is not None

    def time_of(self, commit: str) -> datetime | None:
        found = self._try("log", "-1", "--format=%ct", commit)
        return datetime.fromtimestamp(int(found), UTC) if found else None

    def tree_of(self, commit: str) -> str | None:
        found = self._try("rev-parse", f"{commit}^{{tree}}")
        return found.decode().strip() if found else None

    def raw_diff(self, base: str, head: str) -> bytes | None:
        return self._try("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, head)

    def is_ancestor(self, base: str, head: str) -> bool | None:
        args = ["git", "-C", str(self._repo), "merge-base", "--is-ancestor", base, head]
        code = subprocess.run(args, env=GIT_ENV, capture_output=True).returncode
        return {0: True, 1: False}.get(code)

    def _try(self, *args: str) -> bytes | None:
        try:
            return git(self._repo, *args)
        except subprocess.CalledProcessError:
            return None
