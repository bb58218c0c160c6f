"""A plugin of pytest (`-p tests.sandbox.in_the_box`): the drivers' own tests, with a box around every agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopy.ports import Sandbox
from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.choose import Asked, choose_sandbox
from tests.agents import acp_support, support


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests' drivers a box; their agents are scripts of this repository, and tell what they see in the test's folder."""
    told = Path(config.getoption("basetemp"))
    told.mkdir(exist_ok=True)

    def box() -> Sandbox:
        asked = Asked(
            "bubblewrap", path=os.environ["PATH"], writable=(told,), readable=(Path(support.__file__).parents[1],)
        )
        found = choose_sandbox(asked)
        assert isinstance(found, Bubblewrap)
        return found

    for module in (support, acp_support):
        setattr(module, "NoSandbox", box)  # noqa: B010 - the name is a class of ours
