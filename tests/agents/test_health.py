from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopy.agents.spec import Detect
from loopy.domain.agent import Agent
from tests.agents.support import CATALOG, FixedClock, driver, program

COUNT = "import os,sys\nopen({log!r},'a').write('x')\n"


def claude(folder: Path, said: str = "2.1.330 (Claude Code)", code: int = 0, logged_in: bool = True) -> Path:
    """Install a program that answers like Claude Code and counts how often it was asked."""
    answer = f'{{"loggedIn":{str(logged_in).lower()}}}'
    source = COUNT.format(log=str(folder / "asked"))
    source += f"print({answer!r} if 'auth' in sys.argv else {said!r}); sys.exit({code})"
    return program(folder / "bin", source, "claude")


def asked(folder: Path) -> int:
    return len((folder / "asked").read_text())


AGENT = Agent(name="c", cli="claude")


def test_an_installed_and_logged_in_cli_is_healthy_and_tells_its_version(tmp_path: Path) -> None:
    claude(tmp_path)
    assert driver({"PATH": str(tmp_path / "bin")}).health(AGENT) == (True, "2.1.330")


def test_a_missing_program_comes_with_the_way_to_install_it(tmp_path: Path) -> None:
    healthy, why = driver({"PATH": str(tmp_path)}).health(AGENT)
    assert not healthy
    assert "npm install -g @anthropic-ai/claude-code" in why


def test_another_program_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    claude(tmp_path, said="claude 1.0, a text adventure")
    healthy, why = driver({"PATH": str(tmp_path / "bin")}).health(AGENT)
    assert not healthy
    assert "another program than Claude Code" in why


def test_a_program_that_fails_says_how(tmp_path: Path) -> None:
    claude(tmp_path, said="native binary not installed", code=1)
    healthy, why = driver({"PATH": str(tmp_path / "bin")}).health(AGENT)
    assert not healthy
    assert "exited with 1: native binary not installed" in why


@pytest.mark.slow
def test_a_program_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    program(tmp_path / "bin", "import time; time.sleep(60)", "claude")
    spec = CATALOG["claude"].model_copy(update={"detect": Detect(bin=("claude",), timeout_s=1)})
    healthy, why = driver({"PATH": str(tmp_path / "bin")}, catalog={"claude": spec}).health(AGENT)
    assert not healthy
    assert "did not answer in time" in why


def test_a_cli_without_login_says_how_to_log_in_and_a_key_is_a_login(tmp_path: Path) -> None:
    claude(tmp_path, logged_in=False)
    path = {"PATH": str(tmp_path / "bin")}
    healthy, why = driver(path).health(AGENT)
    assert not healthy
    assert "claude setup-token" in why
    assert driver({**path, "ANTHROPIC_API_KEY": "k"}).health(AGENT) == (True, "2.1.330")


def test_a_program_is_asked_once_a_minute_and_again_when_it_changes(tmp_path: Path) -> None:
    path, awake = claude(tmp_path), [0.0]
    used = driver({"PATH": str(tmp_path / "bin"), "ANTHROPIC_API_KEY": "k"}, clock=FixedClock(lambda: awake[0]))
    used.health(AGENT)
    awake[0] = 59.0
    used.health(AGENT)
    assert asked(tmp_path) == 1
    awake[0] = 61.0
    used.health(AGENT)
    assert asked(tmp_path) == 2
    os.utime(path, ns=(1, 1))
    used.health(AGENT)
    assert asked(tmp_path) == 3


def test_an_agent_that_was_mended_is_asked_again_at_once(tmp_path: Path) -> None:
    awake = [0.0]
    claude(tmp_path, logged_in=False)
    used = driver({"PATH": str(tmp_path / "bin")}, clock=FixedClock(lambda: awake[0]))
    assert used.health(AGENT)[0] is False
    awake[0] = 1.0
    asks = asked(tmp_path)
    assert used.health(AGENT)[0] is False
    assert asked(tmp_path) == asks
    awake[0] = 3.0
    assert used.health(AGENT)[0] is False
    assert asked(tmp_path) > asks


def test_a_command_is_healthy_when_its_program_is_there(tmp_path: Path) -> None:
    path = program(tmp_path, "raise SystemExit(9)")
    assert driver().health(Agent(name="a", argv=(str(path),))) == (True, "")
    assert driver().health(Agent(name="a", argv=("no-such-program",)))[0] is False
    assert driver().health(Agent(name="a"))[1] == "agent a names no command: set its `argv`"
    assert driver().health(Agent(name="a", cli="codx"))[0] is False


@pytest.mark.parametrize(
    ("version", "least", "healthy"),
    [
        ("2.1.330", "2.1.330", True),
        ("2.1.330", "2.1", True),
        ("2.1.330", "2.1.331", False),
        ("2.1.9", "2.1.10", False),
        ("10.0.0", "9.9", True),
        ("2.1.330-beta.2", "2.2", False),
        ("2.1.330", "", True),
    ],
)
def test_a_version_that_is_too_old_is_told_with_the_way_to_a_newer_one(
    tmp_path: Path, version: str, least: str, healthy: bool
) -> None:
    claude(tmp_path, said=f"{version} (Claude Code)")
    detect = CATALOG["claude"].detect.model_copy(update={"min_version": least})
    catalog = {"claude": CATALOG["claude"].model_copy(update={"detect": detect})}
    found, why = driver({"PATH": str(tmp_path / "bin")}, catalog=catalog).health(AGENT)
    assert found is healthy
    assert healthy or (f"{version} is older than {least}" in why and "npm install" in why)
