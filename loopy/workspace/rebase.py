"""Carry a change to a newer base: a three-way merge of trees in the private git dir, then the work tree moved along."""

from __future__ import annotations

from pathlib import Path

from loopy.domain.change import Change
from loopy.domain.errors import GitError
from loopy.workspace.snapshot import Lab

_EPOCH = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Loopy"), ("EMAIL", "loopy@localhost"), ("DATE", "@0 +0000"))
}


def merged_tree(lab: Lab, change: Change, onto: str) -> str | None:
    """Return the tree of the change on `onto`, None when it conflicts.

    The merge is between two throw-away commits whose parent is the change's base, so that a rewritten history of the
    target branch merges as well as one that grew.
    """
    base, theirs = f"{change.base}^{{tree}}", f"{onto}^{{tree}}"
    ours, upstream = _commit(lab, change.tree, change.base), _commit(lab, theirs, change.base)
    ran = lab.git.run(["merge-tree", "--write-tree", "--no-messages", upstream, ours], lab.private, ok=(0, 1, 129))
    if ran.code == 129:  # git before 2.38 does not know --write-tree
        return whole_file_merge(lab, base, theirs, change.tree)
    return ran.out.decode().split()[0] if ran.code == 0 else None


def whole_file_merge(lab: Lab, base: str, theirs: str, ours: str) -> str | None:
    """Return the merged tree when no file changed on both sides, else None: what an old git can do without a work tree."""
    with lab.index("merge", 0) as index:
        lab.git.run(["read-tree", "-i", "-m", "--aggressive", base, theirs, ours], lab.private, index=index)
        try:
            return lab.git.run(["write-tree"], lab.private, index=index).out.decode().strip()
        except GitError:  # unmerged entries: both sides changed a file
            return None


def move_along(lab: Lab, work_tree: Path, old: str, new: str, token: int) -> None:
    """Change the files of the work tree from tree `old` to tree `new`; ignored files stay. May be repeated."""
    with lab.index("rebase", token) as index:
        lab.git.run(["read-tree", old], lab.private, index=index)
        refresh = ["update-index", "-q", "--refresh"]
        lab.git.run(refresh, lab.private, work_tree=work_tree, index=index, ok=(0, 1))
        lab.git.run(["read-tree", "--reset", "-u", new], lab.private, work_tree=work_tree, index=index, timeout_s=600)


def _commit(lab: Lab, tree: str, parent: str) -> str:
    return lab.git.run(["commit-tree", tree, "-p", parent, "-m", "merge"], lab.private, env=_EPOCH).out.decode().strip()
