"""The repository as a verifier reads it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.cli.reader import Objects, find
from tests.receipts.support import DemoRepo, demo_repo

from .support import git


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRepo:
    return demo_repo(tmp_path_factory.mktemp("reader") / "repo")


@pytest.fixture
def objects(demo: DemoRepo) -> Objects:
    return Objects(demo.path / ".git")


def test_commit_tree_diff_and_ancestry_are_as_git_has_them(objects: Objects, demo: DemoRepo) -> None:
    raw = objects.raw_diff(demo.base, demo.head)
    assert raw is not None
    assert objects.has(demo.head)
    assert objects.tree_of(demo.head) == demo.tree
    assert hashlib.sha256(raw).hexdigest() == demo.raw_diff
    assert objects.is_ancestor(demo.base, demo.head) is True
    assert objects.is_ancestor(demo.base, demo.side) is False


@pytest.mark.parametrize("name", ["0" * 40, "HEAD", "--help", "main", ""])
def test_only_full_ids_of_commits_that_are_there_are_read(objects: Objects, demo: DemoRepo, name: str) -> None:
    assert not objects.has(name)
    assert objects.tree_of(name) is None
    assert objects.time_of(name) is None
    assert objects.raw_diff(name, demo.head) is None
    assert objects.is_ancestor(name, demo.head) is None


def test_the_time_of_a_commit_is_its_committers(objects: Objects, demo: DemoRepo) -> None:
    assert objects.time_of(demo.base) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_a_time_beyond_all_calendars_is_none(demo: DemoRepo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(demo.path), "far")
    text = git(tmp_path / "far", "cat-file", "commit", demo.base).replace("1700000000", "99999999999999")
    (tmp_path / "commit").write_text(text)
    far = git(tmp_path / "far", "hash-object", "-t", "commit", "-w", str(tmp_path / "commit")).strip()
    assert Objects(tmp_path / "far" / ".git").time_of(far) is None


def test_a_replacement_object_does_not_fool_the_reader(demo: DemoRepo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(demo.path), "fooled")
    git(tmp_path / "fooled", "fetch", "--quiet", "origin", demo.side)
    git(tmp_path / "fooled", "replace", demo.head, demo.base)
    assert Objects(tmp_path / "fooled" / ".git").tree_of(demo.head) == demo.tree


def test_a_shallow_history_is_not_taken_for_another_history(demo: DemoRepo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{demo.path}", "shallow")
    git(tmp_path / "shallow", "fetch", "--quiet", "--depth=1", "origin", demo.base)
    assert Objects(tmp_path / "shallow" / ".git").is_ancestor(demo.base, demo.head) is None


def test_a_bare_repository_is_found_as_its_own_top(demo: DemoRepo, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(demo.path), "bare.git")
    place = find(tmp_path / "bare.git")
    assert place is not None
    assert place.bare


def test_a_folder_outside_of_any_repository_is_none(tmp_path: Path) -> None:
    assert find(tmp_path) is None
