"""Take an immutable tree of a work tree through the private git dir, and describe a tree against its base."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.added import added_lines, scan_added
from loopy.domain.change import Change, Entry
from loopy.git import raw
from loopy.git.runner import Git
from loopy.workspace.prescan import GITLINK, Limits, Prescan, rows, strange

LINK = "120000"
# The digest's flags; a stranger recomputes it with `git diff-tree -r -z --raw --no-renames --no-abbrev BASE TREE`.
RAW_FLAGS = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
PATCH_FLAGS = (
    "-r", "-p", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index", "--no-relative",
    "--src-prefix=a/", "--dst-prefix=b/", "-U3", "--inter-hunk-context=0", "--diff-algorithm=myers", "--indent-heuristic",
    "--submodule=short", "--ignore-submodules=none",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lab:
    """A run's private git dir, where everything that touches the agent's tree is done."""

    git: Git
    private: Path
    limits: Limits

    @contextmanager
    def index(self, purpose: str, token: int) -> Iterator[Path]:
        """Give an index file of its own name, fresh and removed at the end; a killed predecessor's is removed first."""
        path = self.private / f"index-{purpose}-{token}"
        _unlink(path)
        try:
            yield path
        finally:
            _unlink(path)

    def snapshot(self, tree: Path, base: str, token: int, notes: Sequence[str] = ()) -> Change:
        """Return the change of the work tree against `base`; every file is hashed anew, no time stamp is believed."""
        with self.index("snapshot", token) as index:
            seen = self._stage(tree, base, index)
            written = self.git.run(["write-tree"], self.private, index=index).out.decode().strip()
        linked = {raw.name(path) for path in seen.linked}
        change = self.describe(base, written, (*notes, *seen.notes))
        hard = tuple(f"hard-link: {entry.path}" for entry in change.entries if entry.path in linked)
        return change.model_copy(update={"notes": tuple(sorted({*change.notes, *hard}))})

    def describe(self, base: str, tree: str, notes: Sequence[str] = ()) -> Change:
        """Return the change from `base` to `tree` with counts, sizes, link targets and what its added text brings in."""
        flags = [*RAW_FLAGS, "--numstat", "--no-ext-diff", "--no-textconv"]
        out = self.git.run(["diff-tree", *flags, base, tree], self.private).out
        raw_part, found = raw.raw_diff(out)
        digest = hashlib.sha256(raw_part).hexdigest()
        if not found:
            return Change(base=base, tree=tree, digest=digest, notes=tuple(sorted(set(notes))))
        sizes = self._sizes(found)
        texts, unread = self._texts(found, sizes)
        entries = tuple(_entry(item, sizes, texts) for item in found)
        # A line that any file of the change held before is moved, not added.
        known = {line for i in found for line in _text(texts.get(i.old_id, b"")).split("\n") if i.old_mode != GITLINK}
        scanned = [note for item in found if item.new_id in texts for note in _scan(item, texts, known)]
        return Change(
            base=base, tree=tree, digest=digest, entries=entries, notes=tuple(sorted({*notes, *scanned, *unread}))
        )

    def tree_of(self, commit: str) -> str:
        """Return the tree id of a commit."""
        return self.git.run(["rev-parse", "--verify", f"{commit}^{{tree}}"], self.private).out.decode().strip()

    def _stage(self, tree: Path, base: str, index: Path) -> Prescan:
        run = self.git.run
        run(["read-tree", base], self.private, index=index)
        listed = run(
            ["ls-files", "-z", "-t", "-s", "-c", "-o", "--exclude-per-directory=.gitignore"],
            self.private, work_tree=tree, index=index,
        )  # fmt: skip
        seen = Prescan(tree, self.limits, self._size)
        seen.look(rows(raw.fields(listed.out)))
        self._note_strange(tree, index, seen)
        if seen.drop:
            zero = "0" * len(base)
            gone = b"".join(f"0 {zero}\t".encode() + path + b"\0" for path in seen.drop)
            run(["update-index", "-z", "--index-info"], self.private, work_tree=tree, index=index, stdin=gone)
        taken = b"".join(path + b"\0" for path in seen.add)
        run(
            ["update-index", "-z", "--add", "--remove", "--stdin"],
            self.private, work_tree=tree, index=index, stdin=taken, timeout_s=600,
        )  # fmt: skip
        return seen

    def _note_strange(self, tree: Path, index: Path, seen: Prescan) -> None:
        found = list(strange(tree, self.limits.walked))
        if not found:
            return
        asked = b"".join((path or b".") + b"\0" for _, path in found)
        ran = self.git.run(
            ["check-ignore", "-z", "--stdin"], self.private, work_tree=tree, index=index, stdin=asked, ok=(0, 1)
        )
        ignored = set(raw.fields(ran.out))  # a socket or a repository in an ignored folder is nobody's concern
        notes = {f"{rule}: {raw.name(path) or '.'}" for rule, path in found if path not in ignored}
        seen.notes += sorted(notes - set(seen.notes))

    def _size(self, object_id: str) -> int:
        asked = f"{object_id}\n".encode()
        return raw.sizes(self.git.run(["cat-file", "--batch-check"], self.private, stdin=asked).out).get(object_id, 0)

    def _sizes(self, found: Sequence[raw.RawEntry]) -> dict[str, int]:
        sides = [side for item in found for side in ((item.old_mode, item.old_id), (item.new_mode, item.new_id))]
        ids = {object_id for mode, object_id in sides if mode not in {"000000", GITLINK}}
        asked = "".join(f"{object_id}\n" for object_id in sorted(ids)).encode()
        return raw.sizes(self.git.run(["cat-file", "--batch-check"], self.private, stdin=asked).out) if ids else {}

    def _texts(self, found: Sequence[raw.RawEntry], sizes: dict[str, int]) -> tuple[dict[str, bytes], list[str]]:
        """Return the contents to scan by id (new ones and the old ones beside them), and notes on what is not scanned."""
        wanted: set[str] = set()
        unread: list[str] = []
        for item in found:
            for object_id in {item.new_id, item.old_id} & sizes.keys() - wanted:
                total = sizes[object_id] + sum(sizes[i] for i in wanted)
                if sizes[object_id] <= self.limits.scanned_bytes and total <= self.limits.scanned_total:
                    wanted.add(object_id)
                elif object_id == item.new_id:
                    unread.append(f"unscanned: {raw.name(item.path)} ({sizes[object_id]:,} bytes)")
        asked = "".join(f"{object_id}\n" for object_id in sorted(wanted)).encode()
        out = self.git.run(["cat-file", "--batch"], self.private, stdin=asked).out if wanted else b""
        return dict(raw.blobs(out)), unread


def _entry(item: raw.RawEntry, sizes: dict[str, int], texts: dict[str, bytes]) -> Entry:
    target = raw.name(texts.get(item.new_id, b"")) if item.new_mode == LINK else ""
    return Entry(
        path=raw.name(item.path), status=item.status, old_mode=item.old_mode, new_mode=item.new_mode,
        old_id=item.old_id, new_id=item.new_id, added=item.added, deleted=item.deleted, binary=item.binary,
        size_bytes=sizes.get(item.new_id, 0), link_target=target,
    )  # fmt: skip


def _scan(item: raw.RawEntry, texts: dict[str, bytes], known: set[str]) -> tuple[str, ...]:
    return scan_added(raw.name(item.path), added_lines(_text(texts[item.new_id]), known))


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
