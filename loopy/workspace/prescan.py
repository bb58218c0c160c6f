"""Look at a work tree before anything of it is hashed: what may be taken, what is gone, what must be said.

Only names and `lstat` are read. What is left out (special files, bad names, files beyond a limit, embedded
repositories) is always noted, and each of these notes closes the gate.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from loopy.domain.names import bad_name, collisions
from loopy.git.raw import name

GITLINK = "160000"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an agent may add before hashing stops; counted against the base, so a large repository is no fault."""

    new_files: int = 20_000
    file_bytes: int = 50_000_000
    total_bytes: int = 1_000_000_000  # of new files together
    walked: int = 2_000_000  # names looked at, ignored ones included
    scanned_bytes: int = 2_000_000  # of one file's text
    scanned_total: int = 64_000_000


class Row(NamedTuple):
    """One path that git lists: `mode` and `id` of the base, "" for a path that is new and not ignored."""

    path: bytes
    mode: str = ""
    id: str = ""


def rows(listing: Iterable[bytes]) -> list[Row]:
    """Return the rows of `ls-files -z -t -s -c -o`."""
    return [_row(line) for line in listing]


def _row(line: bytes) -> Row:
    if line.startswith(b"? "):
        return Row(line[2:])
    head, _, path = line.partition(b"\t")
    _, mode, object_id, _ = head.decode("ascii").split(" ")
    return Row(path, mode, object_id)


class Prescan:
    """One look at a tree: paths to add, paths to drop from the base, notes, regular files with several links."""

    def __init__(self, tree: Path, limits: Limits, base_size: Callable[[str], int]) -> None:
        self.add: list[bytes] = []
        self.drop: list[bytes] = []
        self.notes: list[str] = []
        self.linked: set[bytes] = set()
        self._root = os.fsencode(tree)
        self._limits = limits
        self._base_size = base_size  # asked only for base files beyond the limit
        self._folders: dict[bytes, bool] = {b"": True}
        self._new = self._bytes = 0

    def look(self, listed: Sequence[Row]) -> None:
        """Look at every listed path."""
        for row in listed:
            if row.mode == GITLINK:
                self._submodule(row)
            elif row.path.endswith(b"/"):
                self._note("embedded-git", row.path[:-1])
            elif not row.mode and (why := bad_name(name(row.path))):
                self._note("bad-name", row.path, why)
            else:
                self._path(row)
        if self._new > self._limits.new_files or self._bytes > self._limits.total_bytes:
            self.notes.append(f"too-many-files: . ({self._new:,} new files of {self._bytes:,} bytes together)")
        new = [name(row.path) for row in listed if not row.mode]
        self.notes += [f"case-collision: {path}" for path in collisions(new, (name(r.path) for r in listed if r.mode))]

    def _path(self, row: Row) -> None:
        try:
            seen = os.lstat(os.path.join(self._root, row.path)) if self._real(os.path.dirname(row.path)) else None
        except (FileNotFoundError, NotADirectoryError):
            seen = None
        except OSError:
            self._note("unreadable", row.path)
            seen = None
        if seen is not None and self._may_take(row, seen):
            self.add.append(row.path)
            if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
                self.linked.add(row.path)
        elif row.mode:
            self.drop.append(row.path)

    def _may_take(self, row: Row, seen: os.stat_result) -> bool:
        if stat.S_ISLNK(seen.st_mode):
            return row.mode != "" or self._within_count(0)
        if not stat.S_ISREG(seen.st_mode):
            if not stat.S_ISDIR(seen.st_mode):
                self._note("special-file", row.path)
            return False
        if not seen.st_mode & stat.S_IRUSR:
            self._note("unreadable", row.path)
            return False
        if seen.st_size > self._limits.file_bytes and not (row.mode and seen.st_size <= self._base_size(row.id)):
            self._note("too-large", row.path, f"{seen.st_size:,} bytes")
            return False
        return row.mode != "" or self._within_count(seen.st_size)

    def _within_count(self, size: int) -> bool:
        self._new += 1
        self._bytes += size
        return self._new <= self._limits.new_files and self._bytes <= self._limits.total_bytes

    def _submodule(self, row: Row) -> None:
        """Submodules are never initialised: an empty or missing folder is untouched, a repository in it is not taken."""
        try:
            seen = os.lstat(os.path.join(self._root, row.path))
        except OSError:
            return
        if not stat.S_ISDIR(seen.st_mode):
            self._path(row)
        elif os.path.lexists(os.path.join(self._root, row.path, b".git")):
            self._note("embedded-git", row.path)

    def _real(self, folder: bytes) -> bool:
        """Whether every part of the folder is a folder itself, not a link to one."""
        if folder not in self._folders:
            real = self._real(os.path.dirname(folder))
            try:
                real = real and stat.S_ISDIR(os.lstat(os.path.join(self._root, folder)).st_mode)
            except OSError:
                real = False
            self._folders[folder] = real
        return self._folders[folder]

    def _note(self, rule: str, path: bytes, detail: str = "") -> None:
        self.notes.append(f"{rule}: {name(path)}" + (f" ({detail})" if detail else ""))


def strange(tree: Path, walked: int) -> Iterator[tuple[str, bytes]]:
    """Yield (rule, path) of what git does not list: special files, folders with a `.git` of their own, closed folders.

    Links are not followed and file kinds come from the folder itself, so a large ignored folder costs little. After
    `walked` names the walk ends with a note.
    """
    root = os.fsencode(tree)
    stack = [b""]
    while stack:
        folder = stack.pop()
        try:
            names = list(os.scandir(os.path.join(root, folder)))
        except OSError:
            yield "unreadable", folder
            continue
        walked -= len(names)
        if walked < 0:
            yield "too-many-files", folder
            return
        for entry in names:
            path = os.path.join(folder, entry.name)
            if entry.name == b".git":
                if folder:
                    yield "embedded-git", folder
            elif entry.is_dir(follow_symlinks=False):
                stack.append(path)
            elif not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
                yield "special-file", path
