"""Scripts in the place of real CLIs: the shipped entries drive them by their own flags and read their own streams."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from loopy.domain.agent import Agent, AgentKind, Tried, Turned
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents import streams
from tests.agents.support import CATALOG, PaperLeash, driver, place_in, program

TELL = "import json,os,sys\nprint('ARGV'+json.dumps(sys.argv[1:])); print('ENV'+json.dumps(dict(os.environ)))\n"


def fake(folder: Path, name: str, stream: str, more: str = "") -> str:
    """Install a program of that name that prints the stream; return the PATH that finds it."""
    program(folder / "bin", f"import sys,time\nsys.stdout.write({stream!r}); sys.stdout.flush()\n{more}\n", name)
    return f"{folder / 'bin'}{os.pathsep}{os.defpath}"


def told(leash: PaperLeash, word: str) -> list[object] | dict[str, str]:
    line = next(line for line in leash.output().splitlines() if line.startswith(word))
    return json.loads(line.removeprefix(word))  # type: ignore[no-any-return]  # a list or a table of strings


def drive(folder: Path, cli: str, brief: Brief, **fields: object) -> tuple[list[object], dict[str, str]]:
    """Run a program that only tells how it was called."""
    program(folder / "bin", TELL, cli)
    leash = PaperLeash()
    agent = Agent.model_validate({"name": "a", "cli": cli, **fields})
    got = driver({"PATH": f"{folder / 'bin'}"}, home=folder / "operator").turn(agent, brief, place_in(folder), leash)
    assert isinstance(got, Turned)
    argv, env = told(leash, "ARGV"), told(leash, "ENV")
    assert isinstance(argv, list)
    assert isinstance(env, dict)
    return argv, env


def test_claude_edits_and_its_turn_says_session_model_and_cost(tmp_path: Path) -> None:
    path = fake(tmp_path, "claude", streams.CLAUDE_OK, "open('NOTES.md','w').write('hello')")
    leash = PaperLeash()
    turned = driver({"PATH": path}).turn(Agent(name="c", cli="claude"), Brief("p", 1), place_in(tmp_path), leash)
    assert isinstance(turned, Turned)
    assert (turned.session_id, turned.usage.cost_micros) == (streams.SESSION, 12_300)
    assert turned.message == "Done: add() now adds."
    assert [e.name for e in leash.events if e.name != "agent.message"] == [
        "agent.started", "agent.tool", "agent.file", "agent.usage", "agent.result",
    ]  # fmt: skip


def test_opencode_that_sleeps_on_a_limit_is_ended_at_once(tmp_path: Path) -> None:
    more = f"sys.stderr.write({streams.OPENCODE_LOG!r}); sys.stderr.flush(); time.sleep(60)"
    path, began = fake(tmp_path, "opencode", "", more), time.monotonic()
    tried = driver({"PATH": path}).turn(
        Agent(name="o", cli="opencode"), Brief("p", 1), place_in(tmp_path), PaperLeash()
    )
    assert isinstance(tried, Tried)
    assert (tried.failure, tried.account) == (Failure.QUOTA, "opencode")
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_a_cli_that_does_not_end_after_its_result_is_ended(tmp_path: Path) -> None:
    path = fake(tmp_path, "claude", streams.CLAUDE_OK, "time.sleep(60)")
    spec = CATALOG["claude"]
    hasty = spec.model_copy(update={"watchdog": spec.watchdog.model_copy(update={"after_result_s": 1})})
    turned = driver({"PATH": path}, catalog={"claude": hasty}).turn(
        Agent(name="c", cli="claude"), Brief("p", 1), place_in(tmp_path), PaperLeash()
    )
    assert isinstance(turned, Turned)
    assert turned.exit_code is None


@pytest.mark.slow
def test_silence_is_borne_longer_while_a_tool_is_open(tmp_path: Path) -> None:
    opened = streams.lines({"type": "tool_use", "tool_name": "run", "tool_id": "c1", "parameters": {}})
    path = fake(tmp_path, "gemini", opened, f"time.sleep(2.5); sys.stdout.write({streams.GEMINI_OK!r})")
    agent = Agent(name="g", cli="gemini", idle_s=1)
    turned = driver({"PATH": path}).turn(agent, Brief("p", 1), place_in(tmp_path), PaperLeash())
    assert isinstance(turned, Turned)


def test_a_session_that_the_cli_does_not_know_is_begun_anew(tmp_path: Path) -> None:
    source = f"""import sys
if '--resume' in sys.argv:
    print('{{"type":"result","is_error":true,"errors":["No conversation found with session ID: old"]}}'); sys.exit(1)
sys.stdout.write({streams.CLAUDE_OK!r})"""
    program(tmp_path / "bin", source, "claude")
    leash = PaperLeash()
    turned = driver({"PATH": str(tmp_path / "bin")}).turn(
        Agent(name="c", cli="claude"), Brief("p", 2, session_id="old"), place_in(tmp_path), leash
    )
    assert isinstance(turned, Turned)
    assert turned.session_id == streams.SESSION
    assert "starts anew" in leash.texts("step.progress")[0]


def test_claude_is_called_with_a_chosen_session_and_resumed_by_it(tmp_path: Path) -> None:
    argv, _ = drive(tmp_path, "claude", Brief("p", 1), model="opus", argv=("--max-turns", "9"))
    assert argv[:5] == ["-p", "--output-format", "stream-json", "--verbose", "--session-id"]
    assert argv[6:10] == ["--model", "opus", "--max-turns", "9"]
    again, _ = drive(tmp_path, "claude", Brief("p", 2, session_id=str(argv[5])))
    assert again[4:6] == ["--resume", argv[5]]


def test_codex_is_resumed_in_its_own_order_of_words(tmp_path: Path) -> None:
    tree = str(tmp_path / "tree")
    argv, _ = drive(tmp_path, "codex", Brief("p", 1), model="gpt-5-codex")
    assert argv == [
        "exec",
        "--json",
        "--skip-git-repo-check",
        "-C",
        tree,
        "-s",
        "workspace-write",
        "-m",
        "gpt-5-codex",
        "-",
    ]
    argv, _ = drive(tmp_path, "codex", Brief("p", 2, session_id="t-1"))
    assert argv == [
        "exec",
        "--skip-git-repo-check",
        "-C",
        tree,
        "-s",
        "workspace-write",
        "resume",
        "--json",
        "t-1",
        "-",
    ]


def test_an_agent_that_only_reviews_gets_no_right_to_write(tmp_path: Path) -> None:
    argv, _ = drive(tmp_path, "codex", Brief("p", 1), kind=AgentKind.REVIEW)
    assert argv[5:7] == ["-s", "read-only"]


@pytest.mark.slow
@pytest.mark.parametrize("times", [{"idle_s": 1}, {"wall_s": 1}])
def test_a_success_that_a_cli_states_when_it_is_ended_is_none(times: dict[str, int], tmp_path: Path) -> None:
    source = """import signal, sys, time
def die(*_):
    print('{"type":"result","exitCode":0,"sessionId":"s"}', flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, die)
print('{"type":"assistant.turn_start"}', flush=True)
time.sleep(60)"""
    program(tmp_path / "bin", source, "copilot")
    agent = Agent.model_validate({"name": "c", "cli": "copilot", **times})
    tried = driver({"PATH": str(tmp_path / "bin")}).turn(agent, Brief("p", 1), place_in(tmp_path), PaperLeash())
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.AGENT_STALLED
