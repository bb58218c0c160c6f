"""The scene for each test, once as whoever runs the tests and once, where that is root, as a plain user."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .scene import Scene, furnish, plain


@pytest.fixture(params=["me", "plain user"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    before = plain() if request.param == "plain user" else ()
    root = Path(tempfile.mkdtemp(prefix="loopy-box-"))  # not pytest's own: a plain user cannot enter that
    root.chmod(0o711)
    yield furnish(root / "host", before)
    shutil.rmtree(root)
