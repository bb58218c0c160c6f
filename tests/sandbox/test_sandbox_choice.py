from __future__ import annotations

from pathlib import Path

import pytest

from loopy.domain.errors import ConfigError
from loopy.ports import Sandbox
from loopy.sandbox.choose import choose_sandbox


def test_no_sandbox_leaves_the_command_as_it_is_and_says_so() -> None:
    box: Sandbox = choose_sandbox("none")
    assert box.wrap(["a", "b c"], Path("/w"), [Path("/x")]) == ("a", "b c")
    assert (box.backend, box.grade) == ("none", "none")


@pytest.mark.parametrize("wanted", ["bwrap", "", "None"])
def test_a_sandbox_that_is_not_there_is_refused_and_never_replaced_by_less(wanted: str) -> None:
    with pytest.raises(ConfigError, match="not available here"):
        choose_sandbox(wanted)
