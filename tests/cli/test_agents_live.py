"""`loopy agents test --live`: trials of an installed CLI; here programs of ours in its place, good ones and bad ones."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from .support import House

# It speaks Claude's stream: a session by its flags, a prompt on standard input, and does what it is told.
GOOD = """
import json, os, sys, uuid
words = sys.argv[1:]
if "--version" in words: print("2.1.330 (Claude Code)"); raise SystemExit
said, known = sys.stdin.read(), os.path.join(os.environ["CLAUDE_CONFIG_DIR"], "sessions")
wanted = words[words.index("--resume") + 1] if "--resume" in words else ""
seen = open(known).read().split() if os.path.exists(known) else []
if wanted and wanted not in seen:
    print(json.dumps({"type": "result", "subtype": "error_during_execution", "is_error": True,
        "errors": ["No conversation found with session ID: " + wanted]})); raise SystemExit(1)
session = wanted or words[words.index("--session-id") + 1]
open(known, "a").write(session + "\\n")
print(json.dumps({"type": "system", "subtype": "init", "session_id": session, "model": "m"}))
READER
if "hello" in said: open("NOTES.md", "w").write("hello\\n")
if "again" in said: open("NOTES.md", "a").write("again\\n")
if "FORBIDDEN" in said and not reader: open("FORBIDDEN.md", "w").write("no")
print(json.dumps({"type": "result", "subtype": "success", "is_error": False, "result": "ok", "session_id": session,
    "usage": {"input_tokens": 1200, "output_tokens": 34}}))
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home" / ".claude").mkdir(parents=True, exist_ok=True)
    return {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "ANTHROPIC_API_KEY": "dummy-key-0000",
    }


def install(tmp_path: Path, source: str) -> None:
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "claude"
    file.write_text(f"#!{sys.executable}\n{source}")
    file.chmod(0o755)


def trials(said: Any) -> dict[str, bool | None]:
    return {trial["name"]: trial["good"] for trial in said.json["trials"]}


def test_a_cli_that_does_as_its_entry_says_holds_every_trial(
    settled: House, env: dict[str, str], tmp_path: Path
) -> None:
    install(tmp_path, GOOD.replace("READER", 'reader = "plan" in words'))
    before = set(Path(tempfile.gettempdir()).glob("loopy-trial-*"))
    said = settled.loopy("agents", "test", "claude", "--live", "--yes", "--json", env=env)
    assert said.code == 0, said.out + said.err
    assert set(trials(said).values()) == {True}
    assert "1,200 tokens in, 34 out" in said.json["trials"][0]["said"]
    assert set(Path(tempfile.gettempdir()).glob("loopy-trial-*")) <= before


def test_a_cli_that_writes_as_a_reader_is_found_out_and_its_folder_is_kept(
    settled: House, env: dict[str, str], tmp_path: Path
) -> None:
    install(tmp_path, GOOD.replace("READER", "reader = False"))
    said = settled.loopy("agents", "test", "claude", "--live", "--yes", env=env)
    assert said.code == 1
    assert "✗ changes nothing as a reader" in said.out
    kept = Path(said.out.rpartition("what it left: ")[2].strip())
    assert (kept / "tree" / "FORBIDDEN.md").exists()


def test_a_cli_that_does_nothing_ends_the_trials_at_the_first(
    settled: House, env: dict[str, str], tmp_path: Path
) -> None:
    install(tmp_path, "import sys\nprint('2.1.330 (Claude Code)') if '--version' in sys.argv else sys.exit(3)")
    said = settled.loopy("agents", "test", "claude", "--live", "--yes", "--json", env=env)
    assert said.code == 1
    assert trials(said) == {"edits a file": False}


def test_nothing_is_spent_without_a_word_and_strangers_are_refused(settled: House, env: dict[str, str]) -> None:
    said = settled.loopy("agents", "test", "claude", "--live", env=env)
    assert said.code == 2
    assert "--yes" in said.err
    assert settled.loopy("agents", "test", "cluade", "--live", "--yes").code == 2
