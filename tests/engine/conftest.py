"""A world for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, template: Path) -> Iterator[World]:
    world = make_world(tmp_path / "loopy.db", template)
    world.hire("w1")
    yield world
    world.graph.close()
