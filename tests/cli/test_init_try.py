"""`loopy init --try` runs the detected checks once, so that a suite that is red at the base is known before an agent works."""

from __future__ import annotations

from pathlib import Path

from .support import House, make_repo


def test_checks_that_pass_on_the_base_are_said_to(house: House, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "green", {"Makefile": "test:\n\ttrue\n"})
    said = house.loopy("init", str(repo), "--try")
    assert said.code == 0, said.err
    assert "passed" in said.out
    assert (repo / "loopy.toml").exists()


def test_a_check_that_fails_on_the_base_is_shown_with_its_output(house: House, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "red", {"Makefile": "test:\n\t@echo the reason; false\n"})
    said = house.loopy("init", str(repo), "--try")
    assert said.code == 1
    assert "the reason" in said.out
    assert "fails on the base" in said.out


def test_the_trial_runs_on_the_commit_and_not_on_the_dirty_tree(house: House, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "dirty", {"Makefile": "test:\n\ttrue\n"})
    (repo / "Makefile").write_text("test:\n\tfalse\n")
    said = house.loopy("init", str(repo), "--try", "--json")
    assert said.code == 0, said.err
    assert [r["passed"] for r in said.json["tried"]] == [True]
