"""A disposable clone per run, immutable snapshots of it, clean checkouts, and the commit that ships (DESIGN §7).

The agent's own git dir is made by Loopy and never read again: whatever an agent plants there is not run and not believed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loopy.domain.change import Change
from loopy.domain.errors import GitError, WorkspaceError
from loopy.domain.failures import FULL_DISK
from loopy.domain.ticket import RunId
from loopy.git.private import GitDir, ensure_private
from loopy.git.remote import all_hex, checked_ref
from loopy.ports import Workspace
from loopy.workspace.folders import locked, make, wipe
from loopy.workspace.mirrors import Mirrors
from loopy.workspace.prescan import Limits
from loopy.workspace.rebase import merged_tree, move_along
from loopy.workspace.snapshot import PATCH_FLAGS, Lab

AUTHOR, EMAIL = "Loopy", "loopy@localhost"
_AGENTS_CONFIG = "[user]\n\tname = Agent of Loopy\n\temail = agent@localhost\n[gc]\n\tauto = 0\n"
MARK = "workspace.json"


@dataclass(frozen=True, slots=True)
class Mark:
    """What Loopy remembers of a clone it made: the inodes say whether tree and `.git` are still those folders."""

    repo: str
    base: str
    tree: int
    git: int

    @classmethod
    def read(cls, folder: Path) -> Mark | None:
        """Return the run folder's mark, None when there is none or it is torn."""
        try:
            return cls(**json.loads((folder / MARK).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, folder: Path) -> None:
        """Write the mark atomically."""
        fresh = folder / f".{MARK}.new"
        fresh.write_text(json.dumps({"repo": self.repo, "base": self.base, "tree": self.tree, "git": self.git}))
        os.replace(fresh, folder / MARK)


class Clones:
    """`Workspaces` of the ports."""

    def __init__(self, mirrors: Mirrors, limits: Limits | None = None) -> None:
        self.mirrors = mirrors
        self.folders = mirrors.folders
        self.git = mirrors.git
        self.limits = limits or Limits()

    def open(self, run_id: RunId, repo: str, base: str) -> Workspace:
        """Return the run's workspace at `base`, made atomically if it is not there, broken, or on another base.

        A clone whose `.git` alone was lost or replaced keeps its files and gets a new `.git`. Raises WorkspaceError, and
        OSError when the disk is full.
        """
        if not all_hex([base]):
            raise WorkspaceError("workspace", f"base {base[:60]!r} is not a full commit id")
        place = self._place(run_id, repo, base)
        make(place.folder)
        try:
            with locked(place.folder / "workspace.lock"):
                self._lab(place)
                self._ensure(place)
        except (GitError, OSError) as error:
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise  # a full disk is no fault of the workspace: the run waits for room
            raise WorkspaceError(
                f"workspace of {run_id}", str(error), hint="is the base commit still there?"
            ) from error
        return place

    def snapshot(self, place: Workspace, token: int) -> Change:
        """Return what the work tree is now, as an immutable tree against the base; the tree itself is only read.

        Raises WorkspaceError when the work tree is gone or was replaced.
        """
        mark = Mark.read(place.folder)
        if mark is None or _inode(place.tree) != mark.tree:
            raise WorkspaceError(str(place.tree), "is gone or was replaced", hint="it is made anew at the next try")
        ours = _inode(place.tree / ".git") == mark.git
        notes = () if ours else ("git-dir: .git (not the folder that Loopy made)",)
        return self._lab(place).snapshot(place.tree, place.base, token, notes)

    def checkout(self, place: Workspace, tree: str, token: int) -> AbstractContextManager[Path]:
        """Give a clean checkout of the tree: raw bytes, no `.git`, no filter; removed at the end.

        Checkouts that dead claims (tokens up to this one) left behind are removed first.
        """
        return self._checkout(place, tree, token)

    @contextmanager
    def _checkout(self, place: Workspace, tree: str, token: int) -> Iterator[Path]:
        work = make(self.folders.of_work(place.run_id))
        for stale in work.glob("check-*"):
            number = stale.name.removeprefix("check-")
            if number.isdigit() and int(number) <= token:
                wipe(stale)
        at = work / f"check-{token}"
        at.mkdir(mode=0o700)
        lab = self._lab(place)
        try:
            with lab.index("checkout", token) as index:
                self.git.run(
                    ["read-tree", "--reset", "-u", tree], lab.private, work_tree=at, index=index, timeout_s=600
                )
            yield at
        finally:
            wipe(at)

    def commit(self, place: Workspace, change: Change, message: str, when: datetime) -> str:
        """Return the id of the commit of the change's tree on its base; it is kept in the mirror, too.

        Author, committer and dates are fixed (`when`, whole seconds, UTC), so that equal inputs give an equal id.
        """
        lab = self._lab(place)
        commit = _commit(lab, change.tree, (change.base,), message, when)
        ours = "refs/loopy/commit"
        self.git.run(["update-ref", ours, commit], lab.private)
        self.mirrors.keep(place.repo, lab.private, ours, f"refs/loopy/runs/{place.run_id}")
        return commit

    def rebase(self, place: Workspace, change: Change, onto: str, token: int) -> Change | None:
        """Return the change on a newer base, the work tree and its `.git` moved along; None when it conflicts.

        A conflict leaves everything as it was. Trying again after a death gives the same result.
        """
        lab = self._lab(place)
        merged = merged_tree(lab, change, onto)
        if merged is None:
            return None
        with locked(place.folder / "workspace.lock"):
            move_along(lab, place.tree, change.tree, merged, token)
            mark = Mark.read(place.folder)
            if mark is not None:
                self._renew_git(self._place(RunId(place.run_id), place.repo, onto))
        return lab.describe(onto, merged, [n for n in change.notes if n.split(":")[0] in _CARRIED])

    def diff(self, place: Workspace, change: Change, limit: int = 200_000) -> str:
        """Return the text patch for people, made with pinned flags, cut (and saying so) after `limit` bytes."""
        lab = self._lab(place)
        ran = self.git.run(["diff-tree", *PATCH_FLAGS, change.base, change.tree], lab.private, limit=limit)
        text = ran.out.decode("utf-8", "replace")
        return f"{text}\n… cut after {limit:,} bytes\n" if ran.cut else text

    def patch(self, place: Workspace, change: Change) -> bytes:
        """Return the whole patch with binary contents, made with pinned flags: what `ship.patch` of a receipt digests."""
        return self.git.run(
            ["diff-tree", *PATCH_FLAGS, "--binary", change.base, change.tree], self._lab(place).private
        ).out

    def bundle(self, place: Workspace, commit: str, ref: str) -> bytes:
        """Return a bundle of what the commit adds to the run's base, under this ref: `ship.bundle` of a receipt.

        Raises WorkspaceError when somebody else moved the ref of the private git dir meanwhile.
        """
        lab = self._lab(place)
        self.git.run(["update-ref", checked_ref(ref), commit], lab.private)
        one_thread = {"pack.threads": "1"}  # more of them cut deltas differently from time to time
        argv = ["bundle", "create", "--quiet", "-", ref, f"^{place.base}"]
        made = self.git.run(argv, lab.private, settings=one_thread, timeout_s=600).out
        if f"\n{commit} {ref}\n".encode() not in made[: made.index(b"\n\n") + 1]:
            raise WorkspaceError(
                ref, f"its bundle does not bring {commit[:12]}", hint="it is made anew at the next try"
            )
        return made

    def remove(self, run_id: RunId) -> None:
        """Delete the run's clone and checkouts; the run's folder with evidence, receipt and objects stays."""
        (self.folders.of_run(run_id) / MARK).unlink(missing_ok=True)
        work = self.folders.of_work(run_id)
        if not wipe(work):
            raise WorkspaceError(str(work), "could not be deleted whole", hint="are there files of another user?")

    def _place(self, run_id: RunId, repo: str, base: str) -> Workspace:
        folder = self.folders.of_run(run_id)
        tree, objects = self.folders.of_work(run_id) / "tree", self.mirrors.path(repo) / "objects"
        return Workspace(run_id, repo, base, tree, folder, folder / "run.lock", objects)

    def _lab(self, place: Workspace) -> Lab:
        return Lab(self.git, ensure_private(place.folder, self.mirrors.there(place.repo)), self.limits)

    def _ensure(self, place: Workspace) -> None:
        mark = Mark.read(place.folder)
        same = mark is not None and (mark.repo, mark.base) == (place.repo, place.base)
        if mark is None or not same or _inode(place.tree) != mark.tree:
            self._make(place)
        elif _inode(place.tree / ".git") != mark.git or not (place.tree / ".git/HEAD").is_file():
            self._renew_git(place)

    def _make(self, place: Workspace) -> None:
        with self._making(place) as made:
            tree = made / "tree"
            self._git_dir(place).write(tree / ".git")
            # The one time git runs in the agent's git dir: nobody but Loopy has touched it yet.
            self.git.run(["read-tree", "--reset", "-u", place.base], tree / ".git", work_tree=tree, timeout_s=1800)
            wipe(place.tree)
            os.rename(tree, place.tree)
        self._mark(place)

    def _renew_git(self, place: Workspace) -> None:
        """Put a fresh git dir on `place.base` in the tree, whatever stands there; the files stay as they are."""
        with self._making(place) as made:
            fresh = made / "git"
            self._git_dir(place).write(fresh)
            self.git.run(["read-tree", place.base], fresh, work_tree=place.tree)
            self.git.run(["update-index", "-q", "--refresh"], fresh, work_tree=place.tree, ok=(0, 1))
            old = place.tree / ".git"
            if os.path.lexists(old):
                os.rename(old, made / "old")
            os.rename(fresh, old)
        self._mark(place)

    @contextmanager
    def _making(self, place: Workspace) -> Iterator[Path]:
        work = make(self.folders.of_work(place.run_id))
        for half_made in (*work.glob(".new-*"), *work.glob(".gone-*")):
            shutil.rmtree(half_made, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=work))
        try:
            yield made
        finally:
            wipe(made)

    def _git_dir(self, place: Workspace) -> GitDir:
        branch = f"loopy/{place.run_id}"
        return GitDir(self.mirrors.path(place.repo), branch, place.base, bare=False, config=_AGENTS_CONFIG)

    def _mark(self, place: Workspace) -> None:
        Mark(place.repo, place.base, _inode(place.tree), _inode(place.tree / ".git")).write(place.folder)


# Notes on the work tree that hold whatever the base; the others are found anew.
_CARRIED = {
    "git-dir",
    "hard-link",
    "special-file",
    "embedded-git",
    "bad-name",
    "unreadable",
    "too-large",
    "too-many-files",
}


def _inode(folder: Path) -> int:
    """Return the folder's inode, 0 when there is no folder of that name (a link or a file does not count)."""
    try:
        seen = folder.lstat()
    except OSError:
        return 0
    return seen.st_ino if os.path.isdir(folder) and not os.path.islink(folder) else 0


def _commit(lab: Lab, tree: str, parents: tuple[str, ...], message: str, when: datetime) -> str:
    stamp = f"@{int(when.astimezone(UTC).timestamp())} +0000"
    env = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", AUTHOR), ("EMAIL", EMAIL), ("DATE", stamp))
    }
    text = message.replace("\0", "").replace("\r\n", "\n").strip() + "\n"
    on = [word for parent in parents for word in ("-p", parent)]
    out = lab.git.run(
        ["commit-tree", tree, *on, "-F", "-"], lab.private, env=env, stdin=text.encode("utf-8", "replace")
    ).out
    return out.decode().strip()
