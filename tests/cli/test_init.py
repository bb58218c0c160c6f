"""`loopy init` writes what is detected, and says what to do next."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopy.domain.project import parse_project
from tests.support.boxes import FORBIDDEN, before, broken, needs_bwrap

from .support import House, git, make_repo


@pytest.fixture
def fresh(house: House, tmp_path: Path) -> Path:
    del house
    return make_repo(tmp_path / "fresh", {"Makefile": "test:\n\ttrue\n", "src/x.txt": "x"})


def test_the_checks_of_a_repository_are_found_and_written(house: House, fresh: Path) -> None:
    said = house.loopy("init", str(fresh))
    assert said.code == 0, said.err
    (check,) = parse_project((fresh / "loopy.toml").read_text()).checks
    assert check.argv == ("make", "test")
    assert "make test" in said.out


def test_it_says_that_the_file_must_be_committed(house: House, fresh: Path) -> None:
    assert "git add loopy.toml && git commit" in house.loopy("init", str(fresh)).out


def test_a_folder_within_the_repository_stands_for_it(house: House, fresh: Path) -> None:
    assert house.loopy("init", str(fresh / "src")).code == 0
    assert (fresh / "loopy.toml").exists()


def test_a_file_that_is_there_is_kept_unless_forced(house: House, fresh: Path) -> None:
    (fresh / "loopy.toml").write_text("# mine\n")
    refused = house.loopy("init", str(fresh))
    assert refused.code == 2
    assert "--force" in refused.err
    assert (fresh / "loopy.toml").read_text() == "# mine\n"
    assert house.loopy("init", str(fresh), "--force").code == 0
    assert "make" in (fresh / "loopy.toml").read_text()


def test_print_only_shows(house: House, fresh: Path) -> None:
    said = house.loopy("init", str(fresh), "--print")
    assert parse_project(said.out).checks
    assert not (fresh / "loopy.toml").exists()
    assert not house.home.exists()


def test_the_home_gets_a_first_file_and_keeps_one_that_is_there(house: House, fresh: Path) -> None:
    house.loopy("init", str(fresh))
    first = house.home / "loopy.toml"
    assert "[agents.claude]" in first.read_text()
    assert first.stat().st_mode & 0o077 == 0
    first.write_text("# mine\n")
    house.loopy("init", str(fresh), "--force")
    assert first.read_text() == "# mine\n"


def test_json_says_what_was_found(house: House, fresh: Path) -> None:
    facts = house.loopy("init", str(fresh), "--json").json
    assert facts["written"] is True
    assert facts["checks"][0]["argv"] == ["make", "test"]
    assert facts["file"] == str(fresh / "loopy.toml")


def test_a_folder_without_a_repository_is_refused(house: House, tmp_path: Path) -> None:
    said = house.loopy("init", str(tmp_path))
    assert said.code == 2
    assert "is not in a git repository" in said.err


def test_a_repository_without_a_commit_is_refused(house: House, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    said = house.loopy("init", str(tmp_path / "empty"))
    assert said.code == 2
    assert "has no commit yet" in said.err


def test_what_is_not_committed_is_not_detected(house: House, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "bare-bones", {"a.txt": "x"})
    (repo / "Makefile").write_text("test:\n\ttrue\n")
    said = house.loopy("init", str(repo))
    assert said.code == 0
    assert "make test" not in said.out


def test_a_linked_work_tree_is_a_repository_too(house: House, fresh: Path, tmp_path: Path) -> None:
    git(fresh, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert house.loopy("init", str(tmp_path / "linked")).code == 0
    assert "make" in (tmp_path / "linked" / "loopy.toml").read_text()


@needs_bwrap
def test_a_first_file_asks_for_a_sandbox_where_one_works(house: House, fresh: Path) -> None:
    said = house.loopy("init", str(fresh))
    assert house.made().settings.policy.sandbox == "fs-only"
    assert "no sandbox" not in said.out


@pytest.mark.parametrize("words", [("init", "."), ("agent", "create", "worker", "--", "true")])
def test_a_first_file_lets_agents_run_without_a_sandbox_only_where_none_works_and_it_is_said(
    house: House, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(fresh)
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    said = house.loopy(*words)
    assert said.code == 0, said.err
    assert "no sandbox: bubblewrap is installed and does not work" in said.out
    assert FORBIDDEN in said.out
    assert house.made().settings.policy.sandbox == "none"
    assert "No sandbox worked on this host" in (house.home / "loopy.toml").read_text()


def test_json_says_why_there_is_no_sandbox(house: House, fresh: Path, tmp_path: Path) -> None:
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    assert FORBIDDEN in house.loopy("init", str(fresh), "--json").json["no_sandbox"]
    assert house.loopy("init", str(fresh), "--json", "--force").json["no_sandbox"] == ""  # the file was there
