"""`loopy agents` and what stands below it: the list, the doctor, and new entries for the catalogue."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from loopy.agents.catalogue import load_catalog

from .support import House


def install(folder: Path, name: str, said: str, code: int = 0) -> dict[str, str]:
    """Put a program that says this on the PATH; return the environment that finds it."""
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!{sys.executable}\nimport sys\nprint({said!r})\nsys.exit({code})\n")
    file.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def programs(said: Any) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in said.json["programs"]}


def test_the_programs_of_the_catalogue_are_listed_with_how_and_how_surely_they_are_driven(
    settled: House, tmp_path: Path
) -> None:
    env = install(tmp_path / "bin", "codex", "codex-cli 0.169.0")
    found = programs(settled.loopy("agents", "--json", env=env))
    assert found["codex"]["version"] == "0.169.0"
    assert found["codex"]["installed"]
    assert found["codex"]["driven"][0] == "print"
    assert found["codex"]["confidence"] == "tested"
    said = settled.loopy("agents", env=env)
    assert "Programs on this machine" in said.out
    assert "codex" in said.out
    assert "loopy agents --all" in said.out


def test_what_is_not_installed_is_listed_when_asked_for_with_the_way_to_get_it(settled: House) -> None:
    assert "@google/gemini-cli" not in settled.loopy("agents").out
    assert "npm install -g @google/gemini-cli" in settled.loopy("agents", "--all", env={"COLUMNS": "200"}).out


def test_the_doctor_says_for_each_agent_what_it_saw_and_what_mends_it(settled: House, tmp_path: Path) -> None:
    env = install(tmp_path / "bin", "claude", "a text adventure")
    said = settled.loopy("agents", "doctor", "worker", "claude", "codex", "--json", env=env)
    assert said.code == 1
    found = said.json["agents"]
    assert [sign["name"] for sign in found["claude"]] == ["program", "identity"]
    assert found["claude"][0]["state"] == "ok"
    assert "another program than Claude Code" in found["claude"][1]["text"]
    assert "npm install -g @openai/codex" in found["codex"][0]["text"]
    assert all(sign["state"] == "ok" for sign in found["worker"])
    assert settled.loopy("agents", "doctor", "worker").code == 0


def test_the_doctor_tells_a_login_that_is_missing_with_the_words_that_make_it(settled: House, tmp_path: Path) -> None:
    env = install(tmp_path / "bin", "claude", "2.1.330 (Claude Code)")
    said = settled.loopy("agents", "doctor", "claude", env=env)
    assert said.code == 1
    assert "not logged in" in said.out
    assert "claude setup-token" in said.out


def test_the_doctor_knows_no_strangers(settled: House) -> None:
    said = settled.loopy("agents", "doctor", "cluade")
    assert said.code == 2
    assert "did you mean 'claude'" in said.err


def test_a_cli_is_added_by_its_command_line_and_drives_at_once(settled: House) -> None:
    said = settled.loopy("agents", "add", "mytool", "--command", "mytool run --yes {prompt}")
    assert said.code == 0, said.err
    spec = load_catalog(settled.home / "agents")["mytool"]
    assert spec.print is not None
    assert (spec.print.argv, spec.print.prompt) == (("{bin}", "run", "--yes", "{prompt}", "{*extra}"), "argv")
    assert settled.loopy("agent", "create", "mine", "--cli", "mytool").code == 0
    assert "no program `mytool`" in settled.loopy("agents").out
    again = settled.loopy("agents", "add", "mytool", "--command", "mytool")
    assert again.code == 2
    assert "is there already" in again.err


@pytest.mark.parametrize(
    ("command", "why"),
    [("", "is empty"), ("tool 'x", "quot"), ("tool {nonsense}", "unknown placeholder {nonsense}")],
)
def test_a_command_line_that_cannot_be_driven_leaves_no_file(settled: House, command: str, why: str) -> None:
    said = settled.loopy("agents", "add", "mytool", "--command", command)
    assert said.code == 2
    assert why in said.err.lower()
    assert not list((settled.home / "agents").glob("*")) if (settled.home / "agents").exists() else True


def test_an_entry_name_that_leads_out_of_the_folder_is_refused(settled: House) -> None:
    said = settled.loopy("agents", "add", "../evil", "--command", "tool")
    assert said.code == 2
    assert not (settled.home / "evil.toml").exists()


INDEX = {
    "version": "1.0.0",
    "agents": [
        {
            "id": "binary-agent",
            "name": "Binary",
            "version": "0.9.0",
            "repository": "https://example.com/binary",
            "distribution": {
                "binary": {"linux-x86_64": {"archive": "https://x/a.tar.gz", "cmd": "./bagent", "args": ["acp"]}}
            },
        },
        {
            "id": "npm-agent",
            "name": "Npm",
            "version": "1.2.3",
            "distribution": {
                "npx": {"package": "@example/npm-agent@1.2.3", "args": ["--acp"], "env": {"A_MODE": "strict"}}
            },
        },
        {"id": "uv-agent", "name": "Uv", "distribution": {"uvx": {"package": "uv-agent[acp]==4.5.6"}}},
        {"id": "claude", "name": "Known", "distribution": {"npx": {"package": "claude"}}},
        {"id": "Bad Id", "name": "Bad", "distribution": {}},
        {"id": "nowhere", "name": "Nowhere", "distribution": {}},
    ],
}


def test_the_agents_of_a_registry_become_entries_and_nothing_is_installed(settled: House, tmp_path: Path) -> None:
    index = tmp_path / "registry.json"
    index.write_text(json.dumps(INDEX))
    said = settled.loopy("agents", "import-acp", str(index), "--json")
    assert said.code == 0, said.err
    assert said.json["written"] == ["binary-agent", "npm-agent", "uv-agent"]
    assert set(said.json["left"]) == {"claude", "Bad Id", "nowhere"}
    catalog = load_catalog(settled.home / "agents")
    acp = {name: catalog[name].acp for name in said.json["written"]}
    assert [block.argv for block in acp.values() if block] == [("bagent", "acp"), ("npm-agent", "--acp"), ("uv-agent",)]
    assert catalog["npm-agent"].env.set == {"A_MODE": "strict"}
    assert catalog["npm-agent"].confidence == "community"
    again = settled.loopy("agents", "import-acp", str(index))
    assert again.code == 1
    assert "the catalogue has it" in again.out


def test_only_the_named_agents_of_a_registry_are_taken(settled: House, tmp_path: Path) -> None:
    index = tmp_path / "registry.json"
    index.write_text(json.dumps(INDEX))
    settled.loopy("agents", "import-acp", str(index), "--only", "npm-agent")
    assert [file.name for file in (settled.home / "agents").glob("*.toml")] == ["npm-agent.toml"]


def test_an_agent_of_a_registry_is_known_by_its_other_name(settled: House, tmp_path: Path) -> None:
    index = tmp_path / "registry.json"
    droid = {"id": "factory-droid", "name": "Droid", "distribution": {"npx": {"package": "droid"}}}
    index.write_text(json.dumps({"agents": [droid]}))
    assert "the catalogue has it as droid" in settled.loopy("agents", "import-acp", str(index)).out
    assert not list((settled.home / "agents").glob("*.toml"))


@pytest.mark.parametrize("text", ["", "[]", '{"agents": 1}', "\xff", "{"])
def test_what_is_no_index_is_refused(settled: House, tmp_path: Path, text: str) -> None:
    index = tmp_path / "registry.json"
    index.write_bytes(text.encode("latin-1"))
    said = settled.loopy("agents", "import-acp", str(index))
    assert said.code == 2
    assert "index" in said.err or "UTF-8" in said.err


def test_the_schema_of_an_entry_is_json(settled: House) -> None:
    found = settled.loopy("agents", "schema").json
    assert {"detect", "print", "acp", "limit", "event"} <= set(found["properties"])


def test_an_agent_is_created_with_its_policy_its_pool_and_its_limits(settled: House, tmp_path: Path) -> None:
    settled.settle((settled.home / "loopy.toml").read_text() + "\n[accounts.work]\n[accounts.private]\n")
    policy = tmp_path / "policy.toml"
    policy.write_text('approve = "always"\n')
    words = ("--cli", "codex", "--kind", "review", "--accounts", "work,private", "--concurrency", "1", "--no-failover")
    said = settled.loopy("agent", "create", "reviewer", *words, "--policy", str(policy))
    assert said.code == 0, said.err
    found = {each["name"]: each for each in settled.loopy("agents", "--json").json["agents"]}
    assert (found["reviewer"]["account"], found["reviewer@private"]["account"]) == ("work", "private")
    text = (settled.home / "loopy.toml").read_text()
    assert 'approve = "always"' in text
    assert "failover = false" in text


def test_a_policy_file_that_is_none_creates_no_agent(settled: House, tmp_path: Path) -> None:
    before = (settled.home / "loopy.toml").read_text()
    policy = tmp_path / "policy.toml"
    for text, why in ((None, "No such file"), ("nonsense = 1", "no such key"), ("[", "not valid TOML")):
        if text is not None:
            policy.write_text(text)
        said = settled.loopy("agent", "create", "x", "--cli", "codex", "--policy", str(policy))
        assert (said.code, why in said.err) == (2, True), said.err
    assert (settled.home / "loopy.toml").read_text() == before


def test_a_pool_of_accounts_that_are_not_there_creates_no_agent(settled: House) -> None:
    said = settled.loopy("agent", "create", "x", "--cli", "codex", "--accounts", "wrok")
    assert said.code == 2
    assert "no account is called 'wrok'" in said.err
    assert settled.loopy("agents").code == 0


def test_an_agent_is_created_by_another_name_of_its_cli(settled: House) -> None:
    assert settled.loopy("agent", "create", "c", "--cli", "claude-code").code == 0
    assert settled.loopy("agent", "create", "g", "--cli", "gemini-cli").code == 0
    made = settled.made().settings.agents
    assert (made["c"].cli, made["g"].cli) == ("claude", "gemini")
    assert made["c"].billed_to == "claude"  # one account, whatever name it was created by


def test_a_near_miss_of_a_cli_or_of_its_other_name_is_told(settled: House) -> None:
    for word, meant in (("claud", "claude"), ("gemni-cli", "gemini-cli"), ("claude-cod", "claude-code")):
        said = settled.loopy("agent", "create", "x", "--cli", word)
        assert said.code == 2
        assert f"did you mean '{meant}'?" in said.err
    assert "known entries: adal, aider, " in settled.loopy("agent", "create", "x", "--cli", "zzzzzz").err


def test_the_doctor_and_the_test_know_the_other_names(settled: House, tmp_path: Path) -> None:
    said = settled.loopy("agents", "doctor", "claude-code", "--json", env={"PATH": str(tmp_path)})
    assert "Claude Code: no program" in said.json["agents"]["claude-code"][0]["text"]
    assert "did you mean 'gemini-cli'?" in settled.loopy("agents", "doctor", "gemini-cl").err
    assert "Claude Code: no program" in settled.loopy("agents", "test", "claude-code", env={"PATH": str(tmp_path)}).err


def test_settings_that_name_a_cli_otherwise_are_told_its_name(settled: House) -> None:
    settled.settle('[agents.c]\ncli = "claude-code"\n[agents.d]\ncli = "claud"\n')
    reasons = {agent["name"]: agent["reason"] for agent in settled.loopy("agents", "--json").json["agents"]}
    assert reasons["c"].endswith('say cli = "claude"')
    assert reasons["d"].endswith("did you mean 'claude'?")
