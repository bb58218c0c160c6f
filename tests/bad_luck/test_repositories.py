"""Repositories of every shape: what cannot be worked on is refused in words, the rest is worked on from its commit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.bad_luck.support import CHECK, FAILED, FILES, PASSED, Yard, assert_whole
from tests.cli.support import git, make_repo

NONE = ("run", "x", "--agent", "good", "--detach", "--repo")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda _: None, "there is no folder"),
        (lambda at: at.mkdir(), "is not in a git repository"),
        (lambda at: at.write_text("a file"), "is not in a git repository"),
        (lambda at: (at / ".git").mkdir(parents=True), "has no commit yet"),  # an empty git dir
        (lambda at: git(make_repo(at, {"a": "a"}), "update-ref", "-d", "HEAD"), "has no commit yet"),
        (lambda at: at.mkdir() or git(at, "init", "--bare", "--quiet"), "has no commit yet"),
    ],
)
def test_a_folder_without_commits_is_refused_with_what_to_do_and_files_nothing(
    yard: Yard, tmp_path: Path, make: object, complaint: str
) -> None:
    assert callable(make)
    make(tmp_path / "other")
    said = yard.loopy(*NONE, str(tmp_path / "other"))
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert complaint in said.err
    assert "(" in said.err, "a hint says what to do"
    assert yard.loopy("ticket", "list", "--json").json == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_bare_dirty_and_detached_repositories_are_worked_on_and_their_work_trees_left_alone(
    yard: Yard, tmp_path: Path
) -> None:
    dirty, detached = make_repo(tmp_path / "dirty", FILES), make_repo(tmp_path / "detached", FILES)
    (dirty / "a.txt").write_text("done, but not committed\n")
    (dirty / "new.txt").write_text("not known to git\n")
    git(detached, "checkout", "--quiet", "--detach")
    git(detached, "branch", "--quiet", "--delete", "main")
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(yard.house.repo), str(bare))
    empty = make_repo(tmp_path / "empty", {"loopy.toml": CHECK})
    git(empty, "rm", "--quiet", "loopy.toml")
    git(empty, "commit", "--quiet", "--message", "Nothing is left")
    vanished = make_repo(tmp_path / "vanished", FILES)
    places = {"dirty": dirty, "detached": detached, "bare": bare, "empty": empty, "vanished": vanished}
    runs = {name: yard.file(f"Write done in {name}", "good", place) for name, place in places.items()}
    shutil.rmtree(vanished)
    yard.hire()
    yard.until_ended(*runs.values())
    came_to = {name: yard.came_to(run_id) for name, run_id in runs.items()}
    assert came_to == {
        **dict.fromkeys(("dirty", "detached", "bare"), (PASSED, "")),
        "empty": (FAILED, "checks_failed"),  # a commit of nothing names no checks, and nothing ships without one
        "vanished": (FAILED, "workspace"),
    }
    assert "there is no such folder" in yard.attempts(runs["vanished"])[-1].detail
    assert (dirty / "a.txt").read_text() == "done, but not committed\n"
    assert git(dirty, "status", "--porcelain").split() == ["M", "a.txt", "??", "new.txt"]
    assert (detached / ".git" / "HEAD").read_text().strip() == git(detached, "rev-parse", "HEAD")
    for name in ("dirty", "detached", "bare"):
        branch = git(places[name], "for-each-ref", "--format=%(refname)", "refs/heads/loopy")
        assert git(places[name], "show", f"{branch}:a.txt") == "hello\ndone", name
    assert_whole(yard, 5)
