"""Files of the work tree for an agent that reads and writes through Loopy: never outside, never through a link.

Each folder is opened below the one before without following links, and what was looked at is what is acted on, so
nothing that happens to the tree meanwhile leads out of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.policy import Finding, Verb

FILE_BYTES = 8 * 1024 * 1024
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make us wait
_DRAFT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ForbiddenError(Exception):
    """What the agent wanted is not for it; the finding names the rule. Answered to the agent, never seen elsewhere."""

    def __init__(self, rule: str, path: str, why: str) -> None:
        super().__init__(f"refused by policy: {rule}: {path} ({why})")
        self.finding = Finding(rule=rule, path=path, verb=Verb.DENY, why=why)


@dataclass(frozen=True, slots=True)
class Tree:
    """A work tree; `denied` says which of its paths the policy forbids, and why."""

    root: Path
    denied: Callable[[str], Finding | None]

    def below(self, path: str) -> str:
        """Return the path relative to the root; raises ForbiddenError for one that does not lie below it as it is written."""
        bare = path
        if path.startswith("/"):
            roots = (f"{root}/" for root in {str(self.root), os.path.realpath(self.root)})
            bare = next((path[len(root) :] for root in roots if path.startswith(root)), "")
        parts = [part for part in bare.split("/") if part not in {"", "."}]
        if not parts or ".." in parts or "\0" in bare:
            raise ForbiddenError("outside-workspace", path[:500], "it does not lie in the work tree")
        inside = "/".join(parts)
        if found := self.denied(inside):
            raise ForbiddenError(found.rule, inside, found.why)
        return inside

    def read(self, path: str, line: int | None = None, limit: int | None = None) -> str:
        """Return the file's text, from a line (1 is the first) and so many lines of it. Raises ForbiddenError, OSError."""
        inside = self.below(path)
        with self._folder(inside, make=False) as folder, _opened(inside, folder) as fd:
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                raise ForbiddenError("not-a-file", inside, "only regular files are read")
            if seen.st_size > FILE_BYTES:
                raise ForbiddenError("large-file", inside, f"{seen.st_size:,} bytes, more than {FILE_BYTES:,}")
            with os.fdopen(os.dup(fd), "rb") as file:
                text = file.read(FILE_BYTES).decode("utf-8", "replace")
        if line is None and limit is None:
            return text
        lines = text.splitlines(keepends=True)
        first = max((line or 1) - 1, 0)
        return "".join(lines[first : len(lines) if limit is None else first + max(limit, 0)])

    def write(self, path: str, text: str) -> str:
        """Make the file hold the text, whole or not at all; return its path. Raises ForbiddenError, OSError, ValueError."""
        data = text.encode()
        inside = self.below(path)
        if len(data) > FILE_BYTES:
            raise ForbiddenError("large-file", inside, f"{len(data):,} bytes, more than {FILE_BYTES:,}")
        name, draft = inside.rpartition("/")[2], f".loopy-{secrets.token_hex(8)}"
        with self._folder(inside, make=True) as folder:
            mode = _mode(name, folder, inside)
            try:
                with os.fdopen(os.open(draft, _DRAFT, 0o600, dir_fd=folder), "wb") as file:
                    file.write(data)
                    os.fchmod(file.fileno(), mode)
                os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)  # a link in its place would be replaced
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(draft, dir_fd=folder)
        return inside

    @contextmanager
    def _folder(self, inside: str, *, make: bool) -> Iterator[int]:
        """Open the folder of the path, part by part, none of them a link."""
        fd = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in inside.split("/")[:-1]:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, dir_fd=fd)
                below = _through(part, _FOLDER, fd, inside)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)


@contextmanager
def _opened(inside: str, folder: int) -> Iterator[int]:
    fd = _through(inside.rpartition("/")[2], _FILE, folder, inside)
    try:
        yield fd
    finally:
        os.close(fd)


def _through(part: str, flags: int, folder: int, inside: str) -> int:
    """Open one part of a path; a link is refused whatever it points to."""
    try:
        return os.open(part, flags, dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            if stat.S_ISLNK(os.stat(part, dir_fd=folder, follow_symlinks=False).st_mode):
                raise ForbiddenError("symlink", inside, "a part of the path is a symbolic link") from None
        raise


def _mode(name: str, folder: int, inside: str) -> int:
    """Return the mode that the written file gets: that of the one it replaces, else that of a new one."""
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return 0o644
    if stat.S_ISLNK(seen.st_mode):
        raise ForbiddenError("symlink", inside, "a part of the path is a symbolic link")
    if not stat.S_ISREG(seen.st_mode):
        raise ForbiddenError("not-a-file", inside, "only regular files are written")
    return stat.S_IMODE(seen.st_mode) & 0o777
