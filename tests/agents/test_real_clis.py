"""Real CLIs, where they are installed, driven by their entries to a real edit and to a real limit; no model, no account."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.failures import Failure
from loopy.ports import Brief, Workspace
from tests.agents.support import PaperLeash, driver, place_in
from tests.support.model_server import ModelServer

pytestmark = pytest.mark.slow
BROKEN = "def add(a, b):\n    return a - b\n"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def agent(cli: str, base: str) -> Agent:
    """Return an agent of the CLI that talks to the scripted model with a dummy key."""
    provider = f'{{name="local",base_url="{base}/v1",env_key="DUMMY_KEY",wire_api="responses",request_max_retries=0,stream_max_retries=0}}'
    local = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{base}/v1", "apiKey": "dummy"},
        "models": {"scripted": {"limit": {"context": 128_000, "output": 8192}}},
    }
    opencode = {"autoupdate": False, "share": "disabled", "provider": {"local": local}, "small_model": "local/scripted"}
    known = {
        "claude": Agent(name="a", cli="claude", env={"ANTHROPIC_BASE_URL": base, "ANTHROPIC_API_KEY": "dummy"}),
        "codex": Agent(
            name="a",
            cli="codex",
            model="gpt-5-codex",
            env={"DUMMY_KEY": "dummy"},
            argv=("-c", "model_provider=local", "-c", f"model_providers.local={provider}"),
        ),
        "gemini": Agent(
            name="a",
            cli="gemini",
            model="gemini-2.5-pro",
            env={"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": "dummy"},
        ),
        "opencode": Agent(
            name="a",
            cli="opencode",
            model="local/scripted",
            env={"OPENCODE_CONFIG_CONTENT": json.dumps(opencode), "OPENCODE_DISABLE_MODELS_FETCH": "1"},
        ),
    }
    return known[cli].model_copy(update={"idle_s": 60, "wall_s": 110})


def place(folder: Path) -> Workspace:
    found = place_in(folder)
    (found.tree / "app.py").write_text(BROKEN)
    return found


def turn(cli: str, base: str, where: Workspace, leash: PaperLeash, session: str = "") -> Turned | Tried:
    if shutil.which(cli) is None:
        pytest.skip(f"{cli} is not installed")
    settings = where.folder / "agent" / "home" / ".gemini" / "settings.json"
    if cli == "gemini":
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    prompt = f"Fix add() in app.py and write NOTES.md. [[cwd={where.tree}]]"
    brief = Brief(prompt, 2 if session else 1, session)
    return driver({"PATH": os.environ["PATH"]}).turn(agent(cli, base), brief, where, leash)


CLIS = ("claude", "codex", "gemini", "opencode")


@pytest.mark.parametrize("cli", CLIS)
def test_a_real_cli_edits_and_resumes(cli: str, model: ModelServer, tmp_path: Path) -> None:
    where, leash = place(tmp_path), PaperLeash()
    turned = turn(cli, model.url("ok", cli), where, leash)
    print(cli, turned, *leash.events, sep="\n")
    assert isinstance(turned, Turned), turned
    assert (where.tree / "NOTES.md").exists()
    assert turned.session_id
    assert turned.message.startswith("Done: add()")
    assert turned.usage.output_tokens
    assert leash.texts("agent.tool")
    again = turn(cli, model.url("chat", cli), where, PaperLeash(token=2), turned.session_id)
    assert isinstance(again, Turned), again
    assert again.session_id == turned.session_id


@pytest.mark.parametrize("cli", CLIS)
@pytest.mark.parametrize(("scenario", "failures"), [
    ("usage", {Failure.QUOTA, Failure.THROTTLE}),
    ("auth", {Failure.AUTH}),
    ("overflow", {Failure.CONTEXT_OVERFLOW}),
    ("quota", {Failure.BILLING, Failure.QUOTA}),
])  # fmt: skip
def test_a_real_cli_meets_a_refusal(
    cli: str, scenario: str, failures: set[Failure], model: ModelServer, tmp_path: Path
) -> None:
    leash = PaperLeash()
    tried = turn(cli, model.url(scenario, cli), place(tmp_path), leash)
    print(cli, tried, *leash.events, sep="\n")
    assert isinstance(tried, Tried), tried
    assert tried.failure in failures, tried
