"""Writing the home's loopy.toml: the starter and further agents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loopy.domain.agent import Agent, AgentKind
from loopy.domain.errors import ConfigError
from loopy.domain.policy import Examples, PathRule, Policy
from loopy.settings.load import load_settings
from loopy.settings.write import add_agent, starter_toml

FULL = Agent(
    name="night-owl",
    kind=AgentKind.TEST,
    cli="command",
    argv=("sh", "-c", 'echo "$X" \\ \n\x7f é'),
    env={"MODE": "fast", "odd key": "a=b"},
    pass_env=("API_KEY",),
    concurrency=3,
    fallback=("claude",),
    policy=Policy(
        name="tight",
        approve="always",
        paths=(
            PathRule(deny=("infra/",), why="ours", examples=Examples(hit=("infra/a",), miss=("docs/a",))),
            PathRule(ask=("*.lock",)),
        ),
        budget_micros=5,
    ),
)


def load(home: Path, text: str) -> dict[str, Agent]:
    (home / "loopy.toml").write_text(text)
    return load_settings({}, home).agents


@pytest.mark.parametrize(("boxed", "least"), [(True, "fs-only"), (False, "none")])
def test_the_starter_changes_one_default_where_no_sandbox_works_and_says_so(
    tmp_path: Path, boxed: bool, least: str
) -> None:
    (tmp_path / "loopy.toml").write_text(starter_toml(boxed=boxed))
    with_file, without = load_settings({}, tmp_path), load_settings({}, tmp_path / "absent")
    assert (with_file.policy.sandbox, without.policy.sandbox) == (least, "fs-only")
    assert ("agents run with your rights" in starter_toml(boxed=boxed)) is not boxed
    same = without.policy.model_copy(update={"sandbox": least})
    left_out = {"home", "database_url", "sources", "policy"}
    assert with_file.policy == same
    assert with_file.model_dump(exclude=left_out) == without.model_dump(exclude=left_out)


def test_every_sample_of_the_starter_is_a_true_one(tmp_path: Path) -> None:
    lines = starter_toml(boxed=True).splitlines()
    samples = [line.removeprefix("# ") for line in lines if re.match(r"(# )?(\[|[a-z_]+ = )", line)]
    (tmp_path / "loopy.toml").write_text("\n".join(samples))
    found = load_settings({}, tmp_path)
    assert set(found.agents) == {"claude", "codex"}
    assert found.for_repo("/home/me/app") is not None
    assert found.threads == 14
    assert len(samples) > 30


@pytest.mark.parametrize("text", ["", "lease_s = 5", starter_toml(boxed=False), "[agents.claude]\ncli = 'claude'\n"])
def test_an_added_agent_reads_back_as_it_was_meant(tmp_path: Path, text: str) -> None:
    after = add_agent(text, FULL)
    assert after.startswith(text)
    if "claude" not in load(tmp_path, text or "\n"):
        after = add_agent(after, Agent(name="claude", cli="claude"))
    found = load(tmp_path, after)
    assert found["night-owl"] == FULL
    assert found["claude"].cli == "claude"


def test_an_agent_with_an_empty_policy_keeps_it(tmp_path: Path) -> None:
    agent = Agent(name="a", cli="claude", policy=Policy())
    assert load(tmp_path, add_agent("", agent)) == {"a": agent}


def test_a_name_is_added_once() -> None:
    with pytest.raises(ConfigError, match="is there already"):
        add_agent(add_agent("", FULL), FULL)


@pytest.mark.parametrize("text", ["agents = { claude = { cli = 'claude' } }", "not toml"])
def test_a_file_that_cannot_take_a_table_is_left_to_a_person(text: str) -> None:
    with pytest.raises(ConfigError):
        add_agent(text, FULL)
