"""Comparing a statement with a repository that the verifier holds."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Protocol

from loopy.domain.statement import Statement
from loopy.receipts.findings import Finding, claim, finding


class GitReader(Protocol):
    """Read access to a repository's objects, with replace refs, grafts and configuration switched off."""

    def has(self, commit: str) -> bool:
        """Whether the repository holds this commit."""
        ...

    def time_of(self, commit: str) -> datetime | None:
        """Return when the commit was made, as its committer says, None if it cannot be read."""
        ...

    def tree_of(self, commit: str) -> str | None:
        """Return the commit's tree id, None if it cannot be read."""
        ...

    def raw_diff(self, base: str, head: str) -> bytes | None:
        """Return `git diff-tree -r -z --raw --no-renames --no-abbrev base head`, None if it cannot be made."""
        ...

    def is_ancestor(self, base: str, head: str) -> bool | None:
        """Whether `base` is `head` or an ancestor of it, None if the history here does not reach far enough."""
        ...


def against_git(statement: Statement, repo: GitReader) -> tuple[Finding, ...]:
    """Return whether commit, tree, raw diff and ancestry are in `repo` as the statement says."""
    head, record = statement.commit, statement.predicate.repo
    if head is None or record is None:
        return (finding("commit", True, "nothing was shipped, so there is nothing to compare"),)
    if not repo.has(head):
        text = f"{head} is not in this repository: fetch it, or this receipt belongs to {record.uri}"
        return (finding("commit", None, text),)
    base = record.base.digest.git_commit
    if not repo.has(base):
        return (_tree(statement, repo, head), finding("base", None, f"{base} is not in this repository: fetch it"))
    said = record.raw_diff.sha256 if record.raw_diff else ""
    return (_tree(statement, repo, head), _raw_diff(said, repo.raw_diff(base, head)), _ancestry(repo, base, head))


def _tree(statement: Statement, repo: GitReader, head: str) -> Finding:
    found = repo.tree_of(head)
    if found is None:
        return finding("tree", None, f"the tree of {head} cannot be read")
    no = f"{head} has tree {found}, the receipt says {statement.tree}"
    return claim("tree", found == statement.tree, f"{head} has tree {found}", no)


def _raw_diff(said: str, found: bytes | None) -> Finding:
    if found is None:
        return finding("raw diff", None, "cannot be made from this repository")
    digest = hashlib.sha256(found).hexdigest()
    return claim(
        "raw diff", digest == said, f"base to head digests to {digest}", f"is {digest}, the receipt says {said}"
    )


def _ancestry(repo: GitReader, base: str, head: str) -> Finding:
    answer = repo.is_ancestor(base, head)
    if answer is None:
        return finding("base", None, f"the history here does not reach from {head} to {base}; fetch more of it")
    return claim("base", answer, f"{base} is an ancestor of the commit", f"{base} is not an ancestor of the commit")
