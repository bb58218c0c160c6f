"""Git dirs that Loopy makes by hand: files only, no git process, no template, no hook; and the private one of a run.

Raw bytes are what counts: `info/attributes` outranks every `.gitattributes` in a tree, so that no filter, encoding,
line-end or diff driver that a tree asks for is ever applied (a large-file pointer stays a pointer).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

RAW_ATTRIBUTES = "* -text !eol !ident !filter !working-tree-encoding !diff !merge !whitespace !export-subst\n"
PRIVATE = "git"  # its name in a run's folder


@dataclass(frozen=True, slots=True)
class GitDir:
    """What a hand-made git dir holds: where it borrows objects, where HEAD stands, further configuration."""

    alternate: Path  # the git dir whose objects are borrowed, read-only
    branch: str = ""  # HEAD points to this branch; "" leaves HEAD unborn
    commit: str = ""  # the branch's commit
    bare: bool = True
    config: str = ""

    def write(self, at: Path) -> None:
        """Write the git dir into `at`, which must not exist."""
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (at / folder).mkdir(parents=True)
        branch = self.branch or "unborn"
        (at / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        (at / "config").write_text(_config(len(object_format(self.alternate)) == 64, self.bare) + self.config)
        (at / "objects/info/alternates").write_text(f"{self.alternate / 'objects'}\n")
        (at / "info/attributes").write_text(RAW_ATTRIBUTES)
        borrow_shallow(self.alternate, at)
        if self.commit:
            ref = at / "refs/heads" / branch
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(f"{self.commit}\n")


def object_format(git_dir: Path) -> str:
    """Return the zero id of the git dir's object format: 40 digits for sha1, 64 for sha256."""
    return "0" * (64 if "objectformat = sha256" in (git_dir / "config").read_text().lower() else 40)


def borrow_shallow(mirror: Path, git_dir: Path) -> None:
    """Copy where the mirror's history is cut off, if it is: without that, git takes the cut for damage."""
    if (mirror / "shallow").exists():
        shutil.copyfile(mirror / "shallow", git_dir / "shallow")


def private_dir(folder: Path) -> Path:
    """Return where the private git dir of a run's folder lies."""
    return folder / PRIVATE


def ensure_private(folder: Path, mirror: Path) -> Path:
    """Return the run's private git dir, made atomically if it is not there; its objects outlive the work tree."""
    at = private_dir(folder)
    if (at / "objects/info/alternates").exists():
        borrow_shallow(mirror, at)
        return at
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{PRIVATE}-", dir=folder))
    try:
        GitDir(mirror).write(made / PRIVATE)
        os.rename(made / PRIVATE, at)
    except OSError:
        if not (at / "objects/info/alternates").exists():  # else another process was first, which is as good
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return at


def _config(sha256: bool, bare: bool) -> str:
    version = "\trepositoryformatversion = 1\n" if sha256 else "\trepositoryformatversion = 0\n"
    extension = "[extensions]\n\tobjectFormat = sha256\n" if sha256 else ""
    return f"[core]\n{version}\tbare = {str(bare).lower()}\n\thooksPath = /dev/null\n{extension}"
