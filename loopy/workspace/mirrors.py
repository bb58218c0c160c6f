"""Loopy's own bare mirror of each repository: fetched, read at a commit, never checked out.

A local repository may be non-bare, bare or dirty: only what is committed counts, uncommitted changes are no part of
the work (`uncommitted` says how many there are). A mirror is never garbage-collected by git itself, so that the base of
a live run cannot vanish.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loopy.domain.errors import ConfigError, GitError, WorkspaceError
from loopy.domain.repository import Repository, parse
from loopy.git import raw
from loopy.git.remote import Operator, all_hex, fetching, refs, transport
from loopy.git.runner import Git
from loopy.ports import Tip
from loopy.workspace.folders import Folders, locked, make

TIP = "refs/loopy/tip"
_COUNTED = re.compile(rb"[0-9a-f]+:(.*?)\0(\d+)\n", re.DOTALL)


class Mirrors:
    """`Repositories` of the ports, on bare mirrors under `folders.repos`."""

    def __init__(self, folders: Folders, git: Git | None = None, operator: Operator | None = None) -> None:
        self.folders = folders
        self.git = git or Git()
        self.operator = operator or Operator()

    def tip(self, repo: str) -> Tip:
        """Return the tip of the default branch, fetched into the mirror if it is new there; branch "" when detached.

        Raises WorkspaceError when there is no repository, it cannot be reached, or it has no commit.
        """
        address = self.address(repo)
        mirror = self.path(repo)
        commit, branch = self._ask(address, mirror)
        if self._known(mirror) == commit:
            return Tip(commit, branch)
        with locked(mirror.with_suffix(".lock")):  # whoever waited here may find it done
            found = self._known(mirror)
            return Tip(found if found == commit else self._fetch(address, mirror, len(commit)), branch)

    def files(self, repo: str, commit: str) -> Sequence[str]:
        """Return every path of the commit's tree, in git's order."""
        out = self._read(repo, commit, ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit])
        return [raw.name(path) for path in raw.fields(out)]

    def read(self, repo: str, commit: str, path: str, limit: int = 1_000_000) -> bytes | None:
        """Return the first `limit` bytes of a file at the commit, None when there is no such file."""
        if not path or "\0" in path:
            return None
        self._whole([commit])
        ran = self.git.run(["cat-file", "blob", f"{commit}:{path}"], self.there(repo), ok=(0, 128), limit=limit)
        if ran.code == 0 or ran.cut:
            return ran.out
        self._read(repo, commit, ["cat-file", "-e", f"{commit}^{{tree}}"])  # the path is missing, not the commit
        return None

    def grep(self, repo: str, commit: str, words: Sequence[str], limit: int = 200) -> Mapping[str, int]:
        """Return path → number of lines with any of the words as plain text, case ignored, best first."""
        asked = [word for word in words if word.strip() and "\0" not in word]
        if not asked:
            return {}
        patterns = [part for word in asked for part in ("-e", word)]
        out = self._read(repo, commit, ["grep", "-z", "-c", "-i", "-I", "-F", *patterns, commit], ok=(0, 1))
        counts = [(raw.name(match[1]), int(match[2])) for match in _COUNTED.finditer(out)]
        return dict(sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:limit])

    def uncommitted(self, repo: str) -> int:
        """Return how many paths of a local repository have changes that are not committed, so are left out."""
        address = self.address(repo)
        git_dir = Path(address.name) / ".git"
        if not address.local or not git_dir.exists():
            return 0
        ran = self.git.run(["status", "--porcelain", "-z", "--no-renames"], git_dir, work_tree=git_dir.parent)
        return len(raw.fields(ran.out))

    def path(self, repo: str) -> Path:
        """Return where the repository's mirror lies or will lie."""
        return self.folders.repos / f"{self.address(repo).slug}.git"

    def address(self, repo: str) -> Repository:
        """Return the parsed address, a local path with its links resolved. Raises WorkspaceError for a bad one."""
        try:
            parsed = parse(repo)
        except ConfigError as error:
            raise WorkspaceError(error.where, error.what, hint=error.hint) from error
        if not parsed.local:
            return parsed
        return replace(parsed, name=os.path.realpath(parsed.address), address=os.path.realpath(parsed.address))

    def has(self, repo: str, commit: str) -> bool:
        """Whether the mirror holds the commit."""
        mirror = self.path(repo)
        return (mirror / "HEAD").exists() and (
            self.git.run(["cat-file", "-e", f"{commit}^{{commit}}"], mirror, ok=(0, 1, 128)).code == 0
        )

    def contains(self, repo: str, tip: str, commit: str) -> bool:
        """Whether the commit is the tip or one of its ancestors; False for one that the mirror does not hold."""
        if not (self.has(repo, tip) and self.has(repo, commit)):
            return False
        return self.git.run(["merge-base", "--is-ancestor", commit, tip], self.path(repo), ok=(0, 1)).code == 0

    def origin(self, repo: str) -> str:
        """Return the URL or path of a local repository's own `origin`, "" when it has none; its file is only read."""
        config = Path(self.address(repo).address) / ".git" / "config"
        if not config.is_file():
            return ""
        asked = ["config", "--file", str(config), "--no-includes", "--get", "remote.origin.url"]
        return self.git.run(asked, self.path(repo), ok=(0, 1)).out.decode("utf-8", "replace").strip()

    def keep(self, repo: str, source: Path, source_ref: str, ref: str) -> None:
        """Copy a ref with all its objects from one of our own git dirs into the mirror, so that they outlive it."""
        mirror = self.there(repo)
        with locked(mirror.with_suffix(".lock")):
            refspec = f"+{source_ref}:{ref}"
            self.git.run(
                ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow", str(source), refspec],
                mirror,
                settings={"protocol.file.allow": "always"},
            )

    def there(self, repo: str) -> Path:
        """Return the mirror; one that was lost is fetched anew, for the repository has all that it held."""
        mirror = self.path(repo)
        if not (mirror / "HEAD").exists():
            self.tip(repo)
        return mirror

    def _ask(self, address: Repository, mirror: Path) -> tuple[str, str]:
        if address.local and not Path(address.name).is_dir():
            raise WorkspaceError(address.name, "there is no such folder", hint="give the repository's top folder")
        where = mirror if mirror.exists() else make(self.folders.repos)
        try:
            ran = self.git.run(
                ["ls-remote", "--symref", "--", address.address, "HEAD"],
                where,
                env=self._env(address, where),
                settings=transport(address),
                timeout_s=60,
            )
        except GitError as error:
            hint = (
                "is it a git repository's top folder?"
                if address.local
                else "is the address right, and may you read it?"
            )
            if "dubious ownership" in error.what:
                hint = "the folder belongs to another user: make it yours, or clone it"
            raise WorkspaceError(address.name, f"cannot be read: {error.what}", hint=hint) from error
        found, branch = refs(ran.out)
        if "HEAD" not in found:
            raise WorkspaceError(
                address.name,
                "has no commit on its default branch",
                hint="make a first commit, or point HEAD to a branch",
            )
        return found["HEAD"], branch

    def _fetch(self, address: Repository, mirror: Path, id_length: int) -> str:
        if not (mirror / "HEAD").exists():
            self._make(mirror, "sha256" if id_length == 64 else "sha1")
        refspec = f"+HEAD:{TIP}"
        argv = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow", "--no-auto-gc", "--"]
        try:
            self.git.run(
                [*argv, address.address, refspec],
                mirror,
                env=self._env(address, mirror),
                settings=fetching(address),
                timeout_s=1800,
            )
        except GitError as error:
            raise WorkspaceError(address.name, f"cannot be fetched: {error.what}") from error
        return self._known(mirror)

    def _make(self, mirror: Path, object_format: str) -> None:
        """Make an empty mirror beside its place and rename it there, so that half a mirror never counts."""
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=make(mirror.parent)))
        try:
            words = ["init", "--quiet", "--bare", "--template=", f"--object-format={object_format}"]
            self.git.run(words, made / "mirror.git", cwd=made)
            shutil.rmtree(mirror, ignore_errors=True)
            os.rename(made / "mirror.git", mirror)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def _env(self, address: Repository, git_dir: Path) -> dict[str, str]:
        return {} if address.local else self.operator.env(self.git, git_dir)

    def _known(self, mirror: Path) -> str:
        try:
            return (mirror / TIP).read_text().strip()
        except FileNotFoundError:
            return ""

    def _whole(self, ids: Sequence[str]) -> None:
        if not all_hex(ids):
            raise WorkspaceError("commit", f"{ids[0][:80]!r} is not a full object id")

    def _read(self, repo: str, commit: str, args: list[str], ok: Sequence[int] = (0,)) -> bytes:
        self._whole([commit])
        try:
            return self.git.run(args, self.there(repo), ok=ok).out
        except GitError as error:
            raise WorkspaceError(repo, f"cannot be read at {commit[:12]}: {error.what}") from error
