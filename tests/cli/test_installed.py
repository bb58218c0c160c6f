"""An agent whose program is not there is refused before anything is filed or started."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import SETTINGS, House

AGENTS = (
    SETTINGS
    + """
[agents.claude]
cli = "claude"

[agents.paired]
cli = "claude"
fallback = ["codex"]

[agents.codex]
cli = "codex"

[agents.gone]
cli = "command"
argv = ["no-such-program"]
"""
)


@pytest.fixture
def fleet(house: House, tmp_path: Path) -> House:
    """A house whose PATH has git and the shell, and room for pretended programs."""
    house.settle(AGENTS)
    (tmp_path / "bin").mkdir()
    house.env["PATH"] = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    return house


def install(fleet: House, name: str) -> None:
    program = Path(fleet.env["PATH"].partition(":")[0], name)
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)


def filed(fleet: House) -> int:
    return len(fleet.loopy("ticket", "list", "--all", "--json").json)


def test_a_run_by_a_cli_that_is_not_installed_is_refused_with_the_way_to_install_it(fleet: House) -> None:
    said = fleet.loopy("run", "x", "--agent", "claude", "--detach")
    assert said.code == 2
    assert said.err == (
        "error: agent claude: its program `claude` is not installed "
        "(install it: npm install -g @anthropic-ai/claude-code)\n"
    )
    assert filed(fleet) == 0


def test_neither_is_a_command_that_is_not_there_started(fleet: House) -> None:
    said = fleet.loopy("run", "x", "--agent", "gone", "--detach")
    assert said.code == 2
    assert "its program `no-such-program` is not installed" in said.err
    assert filed(fleet) == 0


def test_an_installed_one_is_not_refused(fleet: House) -> None:
    install(fleet, "claude")
    assert fleet.loopy("run", "x", "--agent", "claude", "--detach").code == 0


def test_one_who_may_take_over_is_enough(fleet: House) -> None:
    said = fleet.loopy("run", "x", "--agent", "paired", "--detach")
    assert said.code == 2
    assert "nor is that of codex" in said.err
    install(fleet, "codex")
    assert fleet.loopy("run", "x", "--agent", "paired", "--detach").code == 0
    assert fleet.loopy("run", "y", "--agent", "claude", "--detach").code == 2


def test_starting_and_retrying_by_name_refuse_alike(fleet: House) -> None:
    fleet.loopy("ticket", "add", "x")
    for words in (("start", "LP-1"), ("retry", "LP-1")):
        said = fleet.loopy("ticket", *words, "--agent", "claude")
        assert said.code == 2
        assert "npm install" in said.err
    assert fleet.loopy("ticket", "show", "LP-1", "--json").json["runs"] == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("claude", "npm install -g @anthropic-ai/claude-code"),
        ("cloude", "did you mean 'claude'?"),
        ("command", "the catalogue has no CLI 'command'"),
    ],
)
def test_the_demo_refuses_a_cli_that_it_cannot_start_before_anything_starts(
    fleet: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, complaint: str
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    said = fleet.loopy("demo", "--agent", name)
    assert said.code == 2
    assert complaint in said.err
    assert said.out == ""
    assert list(scratch.iterdir()) == []
