"""A migrated database, made once and copied for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loopy.store.migrate import migrate
from tests.engine.world import World, make_world


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import sqlite3

    path = tmp_path_factory.mktemp("graph") / "template.db"
    migrate(f"sqlite:///{path}", path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")  # one file to copy
    connection.close()
    return path


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Iterator[World]:
    world = make_world(tmp_path / "loopy.db", template)
    world.hire("w1")
    yield world
    world.graph.close()
