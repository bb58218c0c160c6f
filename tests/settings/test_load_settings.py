"""Settings: environment before file before default, every mistake named."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from loopy.domain.agent import Agent, AgentKind
from loopy.domain.errors import ConfigError
from loopy.domain.policy import PathRule
from loopy.settings.load import load_settings
from loopy.settings.model import Settings, shown

AGENTS = """
[agents.claude]
cli = "claude"
fallback = ["codex"]
[agents.claude.policy]
approve = "always"

[agents.codex]
cli = "codex"
kind = "review"
"""


def settings(home: Path, text: str = "", **env: str) -> Settings:
    if text:
        (home / "loopy.toml").write_text(text)
    return load_settings(env | {"LOOPY_HOME": str(home)})


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.database_url == f"sqlite:///{tmp_path}/loopy.db"
    assert found.broker_url is None
    assert (found.limits.turns, found.lease_s, found.sandbox.backend) == (4, 30, "auto")
    assert found.limits.checks >= 1
    assert found.threads == 14
    assert found.agents == {}


def test_the_home_is_the_argument_then_the_variable_then_the_users_folder(tmp_path: Path) -> None:
    env = {"HOME": "/home/me", "LOOPY_HOME": "/srv/loopy"}
    assert load_settings(env, tmp_path).home == tmp_path
    assert load_settings(env).home == Path("/srv/loopy")
    assert load_settings({"HOME": "/home/me", "LOOPY_HOME": "~/x"}).home == Path("/home/me/x")
    assert load_settings({"HOME": "/home/me"}).home == Path("/home/me/.loopy")
    assert load_settings(env, tmp_path).sources["home"] == "argument"
    for env in ({}, {"LOOPY_HOME": "relative"}, {"HOME": "relative"}):
        with pytest.raises(ConfigError, match="LOOPY_HOME"):
            load_settings(env)


def test_loading_touches_nothing(tmp_path: Path) -> None:
    load_settings({}, tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


def test_the_environment_comes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    text = 'broker_url = "redis://one"\nidentity = "ada"\n[limits]\nturns = 7\n'
    found = settings(tmp_path, text, LOOPY_BROKER_URL="redis://two", LOOPY_CONCURRENCY="20", LOOPY_IDENTITY="")
    assert found.broker_url == "redis://two"
    assert found.identity == "ada"
    assert found.limits.turns == 7
    assert found.limits.steps == 8
    assert found.threads == 20
    file = str(tmp_path / "loopy.toml")
    assert {
        "broker_url": "LOOPY_BROKER_URL",
        "identity": file,
        "limits.turns": file,
        "limits.steps": "default",
        "lease_s": "default",
        "worker.concurrency": "LOOPY_CONCURRENCY",
    }.items() <= found.sources.items()


def test_who_answers_is_the_user_of_the_system_unless_said(tmp_path: Path) -> None:
    assert settings(tmp_path).identity == getpass.getuser()


def test_agents_come_by_their_tables_names(tmp_path: Path) -> None:
    found = settings(tmp_path, AGENTS).agents
    assert found["claude"].fallback == ("codex",)
    assert found["claude"].policy is not None
    assert found["claude"].policy.approve == "always"
    assert found["codex"] == Agent(name="codex", cli="codex", kind=AgentKind.REVIEW)


def test_the_operators_policy_and_repositories_are_read(tmp_path: Path) -> None:
    text = """
[[policy.paths]]
deny = ["*.pem"]
[ship]
target = "local"
[repos."https://forge.example/me/app.git"]
setup = [["make"]]
[repos."https://forge.example/me/app.git".ship]
target = "https://mirror.example/app.git"
"""
    found = settings(tmp_path, text)
    assert found.policy.paths == (PathRule(deny=("*.pem",)),)
    said = found.for_repo("git@forge.example:me/app")
    assert said is not None
    assert said.setup == (("make",),)
    assert found.ship_for("ssh://git@forge.example/me/app.git").target == "https://mirror.example/app.git"
    assert found.ship_for("/elsewhere").target == "local"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[limit]\nturns=1", "limit", "did you mean 'limits'?"),
        ("[limits]\nturn=1", "limits.turn", "did you mean 'turns'?"),
        ("[limits]\nturns=0", "limits.turns", "greater than or equal to 1"),
        ("home = '/x'", "home", "no such key"),
        ("sources = {}", "sources", "no such key"),
        ("[agents.claude]\ncli='claude'\nfallbak=[]", "agents.claude.fallbak", "did you mean 'fallback'?"),
        (
            "[agents.claude]\ncli='claude'\nfallback=['claud']",
            "agents.claude.fallback[0]",
            "no agent is called 'claud'",
        ),
        ("[agents.a]\ncli='x'\nfallback=['a']", "agents.a.fallback[0]", "cannot stand in for itself"),
        ("[agents.a]\nkind='code'", "agents.a.cli", "needs a program"),
        ("[agents.a]\ncli='x'\nname='b'", "agents.a.name", "the table's own name"),
        ("[agents.'Big One']\ncli='x'", 'agents."Big One".name', "lower-case"),
        ("[agents.a]\ncli='x'\nkind='coder'", "agents.a.kind", "'code'"),
        ("[agents.a]\ncli='x'\nargv='run me'", "agents.a.argv", "list of words"),
        ("[agents.a.policy]\ntruns=1\n[agents.b]\ncli='x'", "agents.a.policy.truns", "did you mean 'turns'?"),
        ("agents = 3", "agents", "should be tables"),
        ("agents.a = 3", "agents.a", "should be a table"),
        ("[sandbox]\nbackend='docker'", "sandbox.backend", "'bubblewrap'"),
        ("[sandbox]\nwritable=['rel']", "sandbox.writable", "absolute path"),
        ("broker_url='filesystem://x'", "broker_url", "no broker Loopy can trust"),
        ("broker_url='sqla+sqlite:///x'", "broker_url", "no broker Loopy can trust"),
        ("database_url='mysql://x'", "database_url", "should be sqlite:///PATH"),
        ("[repos.'relative/path']\n", 'repos."relative/path"', "absolute path or a URL"),
        ("[repos.'/a/b']\n[repos.'/a/b/']\n", 'repos."/a/b/"', "the same repository"),
        ("[repos.'/a/b']\nchecs=[]", 'repos."/a/b".checs', "did you mean 'checks'?"),
    ],
)
def test_a_mistake_is_named_by_file_key_and_remedy(tmp_path: Path, text: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text)
    assert caught.value.where == f"{tmp_path}/loopy.toml: {key}"
    assert words in str(caught.value)


def test_a_mistake_in_a_variable_is_named_by_the_variable(tmp_path: Path) -> None:
    for variable, value in {"LOOPY_BROKER_URL": "nats://x", "LOOPY_CONCURRENCY": "many"}.items():
        with pytest.raises(ConfigError) as caught:
            settings(tmp_path, **{variable: value})
        assert caught.value.where == variable


def test_valkey_speaks_redis(tmp_path: Path) -> None:
    assert settings(tmp_path, LOOPY_BROKER_URL="valkeys://h:1/0").broker_url == "rediss://h:1/0"


def test_a_file_that_cannot_be_read_as_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "loopy.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        settings(tmp_path)
    (tmp_path / "loopy.toml").unlink()
    (tmp_path / "loopy.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        settings(tmp_path)


def test_passwords_in_urls_are_not_shown(tmp_path: Path) -> None:
    found = settings(tmp_path, LOOPY_BROKER_URL="redis://me:hunter2@host:6379/0")
    assert "hunter2" not in repr(found)
    assert shown(found.broker_url or "") == "redis://me:…@host:6379/0"
    assert shown("redis://host:6379") == "redis://host:6379"


def test_a_secret_in_an_agents_environment_is_not_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, "[agents.a]\ncli='x'\nenv = { TOKEN = ['hunter2'] }")
    assert "hunter2" not in str(caught.value)
    assert "agents.a.env.TOKEN" in str(caught.value)


POOL = """
[accounts.work]
config_home = "~/.claude-work"
[accounts.private]
config_home = "/home/me/.claude-private"
pass_env = ["PRIVATE_KEY"]
concurrency = 1
[agents.claude]
cli = "claude"
accounts = ["work", "private"]
fallback = ["codex"]
[agents.codex]
cli = "codex"
fallback = ["claude"]
"""


def test_a_pool_of_accounts_is_one_agent_for_each_and_they_take_over_from_each_other_first(tmp_path: Path) -> None:
    found = settings(tmp_path, POOL).agents
    assert list(found) == ["claude", "claude@private", "codex"]
    assert [(a.billed_to, a.config_home, a.concurrency) for a in found.values()] == [
        ("work", "~/.claude-work", 2),
        ("private", "/home/me/.claude-private", 1),
        ("codex", "", 2),
    ]
    assert found["claude"].fallback == ("claude@private", "codex")
    assert found["claude@private"].fallback == ("claude", "codex")
    assert found["claude@private"].pass_env == ("PRIVATE_KEY",)
    assert found["codex"].fallback == ("claude", "claude@private")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[agents.a]\ncli = "claude"\naccounts = ["wrok"]\n[accounts.work]\n', "no account is called 'wrok'"),
        ('[agents.a]\ncli = "claude"\naccounts = ["w", "w"]\n[accounts.w]\n', "'w' is there twice"),
        ('[agents.a]\ncli = "claude"\naccount = "x"\naccounts = ["w"]\n[accounts.w]\n', "not both"),
        ('[agents."a@w"]\ncli = "claude"\n', "stands before an account"),
        ('[accounts.w]\nname = "v"\n', "the account's name"),
        ("accounts = 1\n", "should be tables"),
        ('[accounts.w]\nconfig_home = "work"\n', "absolute"),
    ],
)
def test_a_pool_that_cannot_be_is_named_with_its_key(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError) as raised:
        settings(tmp_path, text)
    assert what in str(raised.value)
    assert "a" in raised.value.where
