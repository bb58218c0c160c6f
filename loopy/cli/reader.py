"""A repository as a command reads it: found from any folder in it, its objects asked for by id, nothing else believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from loopy.domain.errors import ConfigError, GitError
from loopy.git import raw
from loopy.git.remote import all_hex
from loopy.git.runner import Git

PLAIN = {"GIT_GRAFT_FILE": "/dev/null"}  # replace refs and configuration are off in the runner already


@dataclass(frozen=True, slots=True)
class Place:
    """Where a repository is: its top folder and its git dir (the same for a bare one)."""

    top: Path
    git_dir: Path

    @property
    def bare(self) -> bool:
        """Whether it has no work tree."""
        return self.top == self.git_dir


def find(path: Path) -> Place | None:
    """Return the repository that the folder lies in, None when it lies in none."""
    start = path.expanduser().absolute()
    for folder in (start, *start.parents):
        dot = folder / ".git"
        if dot.is_dir():
            return Place(folder, dot)
        if dot.is_file() and (linked := _linked(dot)) is not None:
            return Place(folder, linked)
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
            return Place(folder, folder)
    return None


def demand(path: Path, option: str) -> Place:
    """Return the repository that the folder lies in. Raises ConfigError that names the option."""
    if not path.expanduser().exists():
        hint = "give the repository's folder, or a URL that begins with https://, ssh:// or user@host:"
        raise ConfigError(option, f"there is no folder {path}", hint=hint)
    place = find(path)
    if place is None:
        raise ConfigError(
            option, f"{path.absolute()} is not in a git repository", hint="`git init`, then a first commit"
        )
    return place


def _linked(dot: Path) -> Path | None:
    """Return the git dir that a work tree's or submodule's `.git` file names."""
    word, _, target = dot.read_text(errors="replace").strip().partition(": ")
    found = (dot.parent / target).resolve()
    return found if word == "gitdir" and found.is_dir() else None


@dataclass(frozen=True, slots=True)
class Objects:
    """`receipts.against_git.GitReader` on a git dir, and the tree of a commit."""

    git_dir: Path
    git: Git = field(default_factory=Git)

    def head(self) -> str | None:
        """Return the commit that HEAD points to, None before the first one."""
        return self._line("rev-parse", "--verify", "--quiet", "HEAD^{commit}")

    def files(self, commit: str) -> list[str]:
        """Return every path of the commit's tree."""
        out = self._out("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        return [raw.name(path) for path in raw.fields(out or b"")]

    def read(self, commit: str, path: str) -> bytes | None:
        """Return a file of the commit, None when it is not there."""
        return self._out("cat-file", "blob", f"{commit}:{path}")

    def has(self, commit: str) -> bool:
        """Whether the repository holds this commit."""
        return all_hex([commit]) and self._out("cat-file", "-e", f"{commit}^{{commit}}") is not None

    def time_of(self, commit: str) -> datetime | None:
        """Return when the commit was made, as its committer says, None if it cannot be read."""
        said = self._line("rev-list", "--timestamp", "--max-count=1", commit) if all_hex([commit]) else None
        try:
            return datetime.fromtimestamp(int((said or "").split()[0]), UTC)
        except (IndexError, ValueError, OverflowError, OSError):  # git takes any number for a time
            return None

    def tree_of(self, commit: str) -> str | None:
        """Return the commit's tree id, None if it cannot be read."""
        return self._line("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}") if all_hex([commit]) else None

    def raw_diff(self, base: str, head: str) -> bytes | None:
        """Return the raw diff of the two commits, None if it cannot be made."""
        if not all_hex([base, head]):
            return None
        return self._out("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, head)

    def is_ancestor(self, base: str, head: str) -> bool | None:
        """Whether `base` is `head` or an ancestor of it, None if the history here does not reach far enough."""
        if not all_hex([base, head]):
            return None
        code = self._code("merge-base", "--is-ancestor", base, head)
        if code == 1 and self._line("rev-parse", "--is-shallow-repository") == "true":
            return None
        return {0: True, 1: False}.get(code)

    def _code(self, *args: str) -> int:
        try:
            return self.git.run(args, self.git_dir, env=PLAIN, ok=range(256)).code
        except GitError:
            return -1

    def _out(self, *args: str) -> bytes | None:
        try:
            return self.git.run(args, self.git_dir, env=PLAIN).out
        except GitError:
            return None

    def _line(self, *args: str) -> str | None:
        found = self._out(*args)
        return found.decode("utf-8", "replace").strip() or None if found is not None else None
