from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from loopy.agents.environment import Operator
from loopy.agents.launch import Launch, Refusal, prepare
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.failures import Failure
from loopy.ports import Brief
from tests.agents.support import CATALOG, place_in, program

GIVEN = {
    "LANG": "C.UTF-8",
    "HTTPS_PROXY": "http://127.0.0.1:3128",
    "ANTHROPIC_API_KEY": "key-a",
    "OPENAI_API_KEY": "key-o",
    "GITHUB_TOKEN": "gh",
    "LINEAR_API_KEY": "lin",
    "SSH_AUTH_SOCK": "/sock",
    "HOME": "/home/operator",
    "DATABASE_URL": "postgres://",
}


def launch(folder: Path, cli: str, prompt: str = "p", spec: Spec | None = None, **fields: object) -> Launch | Refusal:
    found = spec or CATALOG[cli]
    for name in found.detect.bin:
        program(folder / "bin", "", name)
    operator = Operator({**GIVEN, "PATH": str(folder / "bin")}, folder / "operator")
    agent = Agent.model_validate({"name": "a", "cli": cli, **fields})
    return prepare(found, agent, Brief(prompt, 1), place_in(folder), 5, operator)


def env_of(folder: Path, cli: str, **fields: object) -> dict[str, str]:
    got = launch(folder, cli, **fields)  # type: ignore[arg-type]  # fields of the agent
    assert isinstance(got, Launch)
    return dict(got.env)


def test_only_what_a_list_names_reaches_an_agent(tmp_path: Path) -> None:
    env = env_of(tmp_path, "claude")
    assert set(env) == {
        "PATH", "LANG", "HTTPS_PROXY", "ANTHROPIC_API_KEY", "HOME", "TMPDIR", "TZ", "TERM", "NO_COLOR", "PAGER",
        "GIT_PAGER", "GIT_TERMINAL_PROMPT", "CLAUDE_CONFIG_DIR", "LOOPY_TURN", "LOOPY_PROMPT_FILE",
        *CATALOG["claude"].env.set,
    }  # fmt: skip
    assert (env["TZ"], env["LANG"]) == ("UTC", "C.UTF-8")


def test_each_cli_gets_its_own_keys_only(tmp_path: Path) -> None:
    assert "OPENAI_API_KEY" not in env_of(tmp_path, "claude")
    assert "ANTHROPIC_API_KEY" not in env_of(tmp_path, "codex")


def test_an_agents_own_values_and_names_are_given(tmp_path: Path) -> None:
    env = env_of(tmp_path, "codex", env={"RUST_LOG": "error"}, pass_env=("DATABASE_URL",))
    assert (env["RUST_LOG"], env["DATABASE_URL"]) == ("error", "postgres://")


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "LINEAR_API_KEY", "TAVILY_API_KEY", "SSH_AUTH_SOCK", "LOOPY_TOKEN"])
def test_a_token_that_acts_outside_is_refused(tmp_path: Path, name: str) -> None:
    got = launch(tmp_path, "claude", pass_env=(name,))
    assert isinstance(got, Refusal)
    assert got.failure is Failure.POLICY_REFUSED
    assert name in got.detail


def test_a_cli_that_logs_in_with_such_a_token_gets_it(tmp_path: Path) -> None:
    spec = CATALOG["claude"].model_copy(
        update={"auth": CATALOG["claude"].auth.model_copy(update={"env": ("GITHUB_TOKEN",)})}
    )
    got = launch(tmp_path, "claude", spec=spec)
    assert isinstance(got, Launch)
    assert got.env["GITHUB_TOKEN"] == "gh"


def test_the_home_is_the_runs_own_and_the_login_folder_the_operators(tmp_path: Path) -> None:
    login = tmp_path / "operator" / ".codex"
    login.mkdir(parents=True)
    got = launch(tmp_path, "codex")
    assert isinstance(got, Launch)
    assert got.env["HOME"] == str(tmp_path / "run" / "agent" / "home")
    assert got.env["CODEX_HOME"] == str(login)
    assert login in got.writable
    assert Path(got.env["TMPDIR"]) not in login.parents


def test_without_a_login_folder_the_cli_gets_an_empty_one(tmp_path: Path) -> None:
    env = env_of(tmp_path, "codex")
    assert env["CODEX_HOME"] == str(Path(env["HOME"]) / ".codex")
    assert Path(env["CODEX_HOME"]).is_dir()
    assert Path(env["TMPDIR"]) not in Path(env["CODEX_HOME"]).parents


def test_a_login_folder_without_a_variable_is_linked_into_the_home(tmp_path: Path) -> None:
    login = tmp_path / "operator" / ".gemini"
    login.mkdir(parents=True)
    (login / "settings.json").write_text("{}")
    env = env_of(tmp_path, "gemini")
    assert (Path(env["HOME"]) / ".gemini" / "settings.json").read_text() == "{}"
    assert env_of(tmp_path, "gemini")["HOME"] == env["HOME"]  # a second turn finds the link there


def test_a_prompt_too_long_for_an_argument_goes_into_a_file(tmp_path: Path) -> None:
    block = CATALOG["claude"].print
    assert block is not None
    by_argv = block.model_copy(update={"prompt": "argv", "argv": ("{bin}", "-p", "{prompt}")})
    spec = CATALOG["claude"].model_copy(update={"print": by_argv})
    short, long = launch(tmp_path, "claude", "a {cwd} b", spec), launch(tmp_path, "claude", "x" * 200_000, spec)
    assert isinstance(short, Launch)
    assert isinstance(long, Launch)
    assert short.argv[2] == "a {cwd} b"
    assert "prompt-1-5.md" in long.argv[2]
    assert (tmp_path / "run" / "prompt-1-5.md").read_text() == "x" * 200_000


def test_a_cli_that_would_open_a_browser_is_not_started_without_a_key(tmp_path: Path) -> None:
    auth = CATALOG["claude"].auth.model_copy(update={"env": ("AMP_API_KEY",), "require_any": ("AMP_API_KEY",)})
    got = launch(tmp_path, "claude", spec=CATALOG["claude"].model_copy(update={"auth": auth}))
    assert isinstance(got, Refusal)
    assert got.failure is Failure.AUTH
    assert "AMP_API_KEY" in got.detail


def test_an_account_of_its_own_is_a_login_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "operator" / ".codex").mkdir(parents=True)
    work = tmp_path / "codex-work"
    work.mkdir()
    assert env_of(tmp_path, "codex", config_home=str(work))["CODEX_HOME"] == str(work)
    assert env_of(tmp_path, "codex", config_home="~/other")["CODEX_HOME"] == str(tmp_path / "operator" / "other")


def test_an_account_of_a_cli_with_several_login_folders_is_a_folder_that_holds_them(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / ".config" / "opencode").mkdir(parents=True)
    home = Path(env_of(tmp_path, "opencode", config_home=str(work))["HOME"])
    assert (home / ".config" / "opencode").resolve() == work / ".config" / "opencode"


def test_settings_for_unattended_runs_lie_in_the_scratch_home_and_a_variable_names_them(tmp_path: Path) -> None:
    env = env_of(tmp_path, "gemini")
    settings = Path(env["GEMINI_CLI_SYSTEM_SETTINGS_PATH"])
    assert settings.is_relative_to(env["HOME"])
    assert json.loads(settings.read_text())["general"]["enableAutoUpdate"] is False


def test_settings_that_an_agent_names_itself_stand(tmp_path: Path) -> None:
    own = {"GEMINI_CLI_SYSTEM_SETTINGS_PATH": "/etc/gemini.json"}
    assert env_of(tmp_path, "gemini", env=own)["GEMINI_CLI_SYSTEM_SETTINGS_PATH"] == "/etc/gemini.json"


@pytest.mark.parametrize("path", ["../up.json", "/etc/x.json", "a/../../x.json", ".bashrc"])
def test_a_settings_file_lies_below_the_home_only(path: str) -> None:
    with pytest.raises(ValidationError, match=r"file\.0\.path"):
        Spec.model_validate(
            {"id": "x", "name": "X", "print": {"argv": ["x"]}, "file": [{"path": path, "env": "X", "text": "x"}]}
        )


@pytest.mark.parametrize("cli", ["gemini", "opencode", "codex"])
def test_a_link_that_an_agent_left_in_its_scratch_folder_leads_us_nowhere(tmp_path: Path, cli: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert isinstance(launch(tmp_path, cli), Launch)
    scratch = tmp_path / "run" / "agent"
    for name in ("home", "tmp"):
        (scratch / name).rename(scratch / f"old-{name}")
        (scratch / name).symlink_to(outside)
    again = launch(tmp_path, cli)
    assert isinstance(again, Launch)
    (scratch / "home").rename(scratch / "older-home")
    (scratch / "home").mkdir()
    for part in (".gemini", ".config", ".local", ".codex", "loopy"):
        (scratch / "home" / part).symlink_to(outside)
    (tmp_path / "operator" / ".gemini").mkdir(parents=True)
    (tmp_path / "operator" / ".local/share/opencode").mkdir(parents=True)
    assert isinstance(launch(tmp_path, cli), Launch)
    assert list(outside.iterdir()) == []
