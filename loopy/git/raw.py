"""Parse git's NUL-separated output: raw tree diffs with line counts, listings and object headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One path of `diff-tree --raw --numstat`, the path as bytes; `binary` as git judges it."""

    path: bytes
    status: Literal["A", "D", "M", "T"]
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    added: int = 0
    deleted: int = 0
    binary: bool = False


def name(path: bytes) -> str:
    r"""Return a path as text; bytes that are not UTF-8 become `\xNN` (a backslash in a name is refused anyway)."""
    return path.decode("utf-8", "backslashreplace")


def fields(output: bytes) -> list[bytes]:
    """Return the NUL-terminated fields of an output."""
    return output.split(b"\0")[:-1] if output else []


def raw_diff(output: bytes) -> tuple[bytes, list[RawEntry]]:
    """Return (the bytes of the raw part, the entries with line counts) of `diff-tree -r -z --raw --numstat`.

    The raw part is byte for byte what `diff-tree -r -z --raw --no-renames --no-abbrev` prints alone; its sha256 is a
    change's digest.
    """
    parts = fields(output)
    entries: dict[bytes, RawEntry] = {}
    at = length = 0
    while at < len(parts) and parts[at].startswith(b":"):
        old_mode, new_mode, old_id, new_id, status = parts[at][1:].decode("ascii").split(" ")
        path = parts[at + 1]
        kind = cast('Literal["A", "D", "M", "T"]', status[0])
        entries[path] = RawEntry(path, kind, old_mode, new_mode, old_id, new_id)
        length += len(parts[at]) + len(path) + 2
        at += 2
    for part in parts[at:]:
        added, deleted, path = part.split(b"\t", 2)
        binary = added == b"-"
        counts = (0, 0) if binary else (int(added), int(deleted))
        entries[path] = replace(entries[path], added=counts[0], deleted=counts[1], binary=binary)
    return output[:length], list(entries.values())


def blobs(output: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (object id, content) of a `cat-file --batch` output; missing objects are left out."""
    at = 0
    while at < len(output):
        end = output.index(b"\n", at)
        words = output[at:end].decode("ascii", "replace").split(" ")
        at = end + 1
        if len(words) == 3 and words[2].isdigit():
            size = int(words[2])
            yield words[0], output[at : at + size]
            at += size + 1


def sizes(output: bytes) -> dict[str, int]:
    """Return object id → size in bytes of a `cat-file --batch-check` output; missing objects are left out."""
    rows = [line.split(" ") for line in output.decode("ascii", "replace").splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) == 3 and row[2].isdigit()}
