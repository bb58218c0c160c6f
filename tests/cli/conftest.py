"""A house for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopy.bootstrap.services import Services

from .support import House, make_repo

CHECK = '[[checks]]\nname = "grep"\nargv = ["grep", "-q", "done", "a.txt"]\n'


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    repo = make_repo(tmp_path / "repo", {"a.txt": "hello\n", "loopy.toml": CHECK})
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LOOPY_BROKER_URL", "LOOPY_DATABASE_URL", "LOOPY_IDENTITY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(repo)
    home = tmp_path / "home"
    return House(home, repo, {"LOOPY_HOME": str(home), "LOOPY_IDENTITY": "ada"})


@pytest.fixture
def settled(house: House, template: Path) -> House:
    """A house with one agent, the operator's word that no sandbox is needed, and a work graph that was migrated."""
    house.settle()
    shutil.copy(template, house.home / "loopy.db")
    return house


@pytest.fixture
def made(settled: House) -> Iterator[Services]:
    services = settled.made()
    yield services
    services.graph.close()
