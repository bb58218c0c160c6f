"""What an agent did, as Loopy saw it: an immutable tree and the raw diff to the base."""

from __future__ import annotations

from typing import Literal

from loopy.domain.value import Value


class Entry(Value):
    """One path of the raw tree diff; modes are octal strings, "000000" means absent."""

    path: str
    status: Literal["A", "D", "M", "T"]
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    added: int = 0
    deleted: int = 0
    binary: bool = False
    size_bytes: int = 0
    link_target: str = ""  # for symbolic links


class Change(Value):
    """A snapshot against its base: tree id, sha256 of the raw diff, entries and what a look at the work tree found."""

    base: str  # commit id
    tree: str
    digest: str  # sha256 of `diff-tree -r -z --raw --no-renames --no-abbrev base tree`
    entries: tuple[Entry, ...] = ()
    notes: tuple[str, ...] = ()  # findings of the pre-scan, e.g. "hard-link: a.txt"

    @property
    def empty(self) -> bool:
        """Whether nothing changed."""
        return not self.entries

    @property
    def added(self) -> int:
        """Lines added."""
        return sum(e.added for e in self.entries)

    @property
    def deleted(self) -> int:
        """Lines deleted."""
        return sum(e.deleted for e in self.entries)
