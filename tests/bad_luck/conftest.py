"""A yard for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_luck.support import FILES, HEAD, WRITE, Yard, agent
from tests.cli.support import House, make_repo


@pytest.fixture
def yard(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Yard]:
    """A home with one good agent, a repository whose check asks for the word `done`, and a work graph."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LOOPY_BROKER_URL", "LOOPY_DATABASE_URL", "LOOPY_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    home, repo = tmp_path / "home", make_repo(tmp_path / "repo", FILES)
    house = House(home, repo, {"LOOPY_HOME": str(home), "LOOPY_IDENTITY": "ada"})
    house.settle(HEAD + agent("good", WRITE))
    shutil.copy(template, home / "loopy.db")
    monkeypatch.chdir(repo)
    made = Yard(house)
    yield made
    made.close()
