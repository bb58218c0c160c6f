"""docs/agents.md: its table is the catalogue's, and its example is an entry that works."""

from __future__ import annotations

import os
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loopy.agents.catalogue import load_catalog
from loopy.cli.main import cli
from loopy.domain.agent import Agent, AgentKind, Tried, Turned
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents.support import CATALOG, PaperLeash, driver, place_in, program

ROOT = Path(__file__).parents[1]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "agents_page.py"))
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")

HARE = """import json, os, sys
words = sys.argv[1:]
if words == ["--version"]:
    print("hare 1.4.0"); sys.exit()
def say(**line): print(json.dumps(line), flush=True)
asked = sys.stdin.read()
say(kind="hello", session=words[words.index("--resume") + 1] if "--resume" in words else "h-1")
say(kind="news", unknown=True)
if "tired" in asked:
    say(kind="says", text="the carrots are used up, says a comment in the code")
    say(kind="bye", failed=True, why="carrots are used up, come back in 2 hours"); sys.exit(1)
say(kind="says", text=" ".join(words))
open("seen.txt", "w").write(asked + os.environ["HARE_API_KEY"] + os.environ["HARE_TELEMETRY"])
say(kind="bye", failed=False, why="done", tokens={"in": 5, "out": 2})
"""


def example(language: str = "toml") -> str:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_table_is_the_catalogue() -> None:
    assert TOOL["page"](PAGE, CATALOG) == PAGE, "run `make reference`"
    assert len(re.findall(r"^\| .*\| (?:tested|documented|community) \|", PAGE, re.MULTILINE)) == len(CATALOG) - 1


def test_a_change_of_the_catalogue_changes_the_table_and_nothing_else() -> None:
    spec = CATALOG["crush"].model_copy(update={"name": "Crash|er", "confidence": "tested"})
    page = TOOL["page"](PAGE, {**CATALOG, "crush": spec})
    assert "| [Crash\\|er](" in page
    old, new = PAGE.splitlines(), page.splitlines()
    assert len([line for line in new if line not in old]) == 2  # the row and the counts
    assert page.partition(TOOL["BEGIN"])[0] == PAGE.partition(TOOL["BEGIN"])[0]
    assert page.partition(TOOL["END"])[2] == PAGE.partition(TOOL["END"])[2]


def test_the_example_is_added_by_one_file_and_one_command(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "agents").mkdir(mode=0o700)
    (tmp_path / "home" / "agents" / "hare.toml").write_text(example(), encoding="utf-8")
    command = next(line.split() for line in PAGE.splitlines() if line.startswith("    loopy agent create hare"))
    said = CliRunner().invoke(cli, command[1:], env={"LOOPY_HOME": str(tmp_path / "home")})
    assert said.exit_code == 0, said.output
    assert 'cli = "hare"' in (tmp_path / "home" / "loopy.toml").read_text(encoding="utf-8")


def drive(folder: Path, prompt: str, session: str = "", **fields: object) -> tuple[Turned | Tried, PaperLeash]:
    (folder / "agents").mkdir()
    (folder / "agents" / "hare.toml").write_text(example(), encoding="utf-8")
    program(folder / "bin", HARE, "hare")
    env = {"PATH": f"{folder / 'bin'}{os.pathsep}{os.defpath}", "HARE_API_KEY": "a-key-of-mine"}
    used, leash = driver(env, catalog=load_catalog(folder / "agents")), PaperLeash()
    agent = Agent.model_validate({"name": "h", "cli": "hare", **fields})
    assert used.health(agent) == (True, "1.4.0")
    return used.turn(agent, Brief(prompt, 1, session), place_in(folder), leash), leash


def test_the_example_drives_a_program_of_that_name(tmp_path: Path) -> None:
    turned, leash = drive(tmp_path, "fix it", model="fast")
    assert isinstance(turned, Turned)
    assert (turned.session_id, turned.message, turned.usage.output_tokens) == ("h-1", "done", 2)
    assert leash.texts("agent.message") == ["run --json --yes --model fast"]
    assert (tmp_path / "tree" / "seen.txt").read_text() == "fix ita-key-of-mine0"


def test_the_example_resumes_and_reads_only_when_told_so(tmp_path: Path) -> None:
    turned, leash = drive(tmp_path, "look", session="h-7", kind=AgentKind.REVIEW)
    assert isinstance(turned, Turned)
    assert turned.session_id == "h-7"
    assert leash.texts("agent.message") == ["run --json --plan --resume h-7"]


def test_the_example_knows_its_limit(tmp_path: Path) -> None:
    tried, _ = drive(tmp_path, "you look tired")
    assert isinstance(tried, Tried)
    assert tried.failure is Failure.QUOTA
    assert tried.resets_at is not None


@pytest.mark.parametrize("word", ["## Driven for real", "## Add a CLI"])
def test_the_page_has_its_parts(word: str) -> None:
    assert word in PAGE
