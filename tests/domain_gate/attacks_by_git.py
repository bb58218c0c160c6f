"""Attacks by way of git: its index, its folder, its configuration, repositories in the repository."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.domain_gate.attacks import attack, payload
from tests.workspace.support import git, put


@attack(5, "denied-path")
def assume_unchanged(tree: Path) -> None:
    git(tree, "update-index", "--assume-unchanged", "infra/main.tf")
    put(tree, {"infra/main.tf": "evil\n"})


@attack(6, "denied-path")
def skip_worktree(tree: Path) -> None:
    git(tree, "update-index", "--skip-worktree", "infra/main.tf")
    put(tree, {"infra/main.tf": "evil\n"})


@attack(7, "denied-path")
def commit_of_its_own(tree: Path) -> None:
    put(tree, {"infra/main.tf": "evil\n"})
    git(tree, "commit", "-qam", "nothing to see")


@attack(8, verdict="allow")
def evil_commit_reverted_in_the_next(tree: Path) -> None:
    commit_of_its_own(tree)
    git(tree, "revert", "--no-edit", "HEAD")


@attack(9, "denied-path")
def exclude_file_of_git_hides_a_secret(tree: Path) -> None:
    (tree / ".git/info/exclude").write_text(".env.prod\n")
    put(tree, {".env.prod": "A=1\n"})


@attack(13, "embedded-git")
def repository_named_as_the_denied_folder(tree: Path) -> None:
    _repository(tree, "secrets")


@attack(20, "mode-change", verdict="ask")
def executable_bit_with_modes_switched_off(tree: Path) -> None:
    git(tree, "config", "core.fileMode", "false")
    (tree / "src/app.py").chmod(0o755)


@attack(21, "embedded-git")
def embedded_repository(tree: Path) -> None:
    _repository(tree, "vendor")


def _repository(tree: Path, name: str) -> None:
    git(tree, "init", "-q", name)
    put(tree / name, {"hidden.py": "x\n"})
    git(tree / name, "add", "-A")
    git(tree / name, "commit", "-qm", "hidden")


@attack(21, "embedded-git")
def embedded_repository_without_a_commit(tree: Path) -> None:
    git(tree, "init", "-q", "vendor")
    put(tree / "vendor", {"hidden.py": "x\n"})


@attack(21, "embedded-git")
def tracked_folder_made_a_repository(tree: Path) -> None:
    git(tree, "init", "-q", "src")
    put(tree, {"src/hidden.py": "x\n"})


@attack(22, "exec-surface")
def submodule_by_command(tree: Path) -> None:
    put(tree, {".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c {payload(tree)}\n'})


@attack(23, "exec-surface", verdict="ask")
def clean_filter(tree: Path) -> None:
    put(tree, {".gitattributes": "* filter=evil -diff\n", "src/app.py": "x\n"})
    put(tree, {".git/info/attributes": "* filter=evil -diff\n"})  # Loopy's own had switched all filters off
    for kind in ("clean", "smudge", "process"):
        git(tree, "config", f"filter.evil.{kind}", str(payload(tree)))


@attack(24, verdict="allow")
def file_system_monitor(tree: Path) -> None:
    git(tree, "config", "core.fsmonitor", str(payload(tree)))
    put(tree, {"src/app.py": "x\n"})


@attack(25, verdict="allow")
def hooks_in_gits_folder(tree: Path) -> None:
    (tree / ".git/hooks").mkdir(exist_ok=True)
    git(tree, "config", "core.hooksPath", ".git/hooks")
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "pre-push"):
        shutil.copy(payload(tree), tree / ".git/hooks" / hook)
    put(tree, {"src/app.py": "x\n"})


@attack(26, "exec-surface", verdict="ask")
def external_diff_and_textconv(tree: Path) -> None:
    git(tree, "config", "diff.external", str(payload(tree)))
    git(tree, "config", "diff.evil.textconv", str(payload(tree)))
    put(tree, {".gitattributes": "*.py diff=evil\n", "src/app.py": "x\n"})


@attack(27, "denied-path")
def replaced_base(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    commit_of_its_own(tree)
    git(tree, "replace", base, git(tree, "rev-parse", "HEAD"))


@attack(28, "git-dir")
def git_folder_replaced_by_a_pointer(tree: Path) -> None:
    os.rename(tree / ".git", tree.parent / "moved")
    (tree / ".git").write_text(f"gitdir: {tree.parent / 'moved'}\n")


@attack(29, "denied-path")
def commondir_in_gits_folder(tree: Path) -> None:
    git(tree, "init", "-q", "--bare", str(tree.parent / "common"))
    git(tree.parent / "common", "config", "core.fsmonitor", str(payload(tree)))
    (tree / ".git/commondir").write_text("../../common\n")
    put(tree, {"infra/main.tf": "evil\n"})
