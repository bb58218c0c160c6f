"""Real CLIs over the Agent Client Protocol, where they are installed, driven to a real edit, a refusal, a limit, a resume.

They are looked for in the folder that LOOPY_REAL_AGENTS names, then on the PATH. No model, no account, no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopy.agents.acp_driver import AcpDriver
from loopy.agents.environment import Operator
from loopy.agents.scripted.server import ModelServer
from loopy.agents.scripted.setup import setup_for
from loopy.domain.agent import Agent, AgentKind, Tried, Turned
from loopy.domain.failures import Failure
from loopy.domain.policy import PathRule, Policy
from loopy.ports import Brief, Workspace
from loopy.sandbox.none import NoSandbox
from tests.agents.support import CATALOG, FixedClock, PaperLeash, place_in

pytestmark = pytest.mark.slow
PATH = os.pathsep.join(filter(None, (os.environ.get("LOOPY_REAL_AGENTS"), os.environ.get("PATH"))))
BROKEN = "def add(a, b):\n    return a - b\n"
NOWHERE = "http://127.0.0.1:9"
DENIED = Policy(paths=(PathRule(deny=("NOTES.md",), why="a test"),))

CLIS = ("opencode", "gemini", "qwen", "kimi", "copilot")


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def agent(cli: str, base: str, home: Path) -> tuple[Agent, dict[str, str]]:
    """Return an agent of the CLI that talks to the scripted model with a dummy key, and the operator's variables."""
    setup = setup_for(CATALOG[cli], base, "acp")
    home.mkdir(exist_ok=True)
    setup.settle(home)
    return setup.made("a", cli, idle_s=60, wall_s=110), dict(setup.env)


def drive(
    cli: str,
    base: str,
    place: Workspace,
    leash: PaperLeash,
    *,
    session: str = "",
    policy: Policy | None = None,
    **fields: Any,
) -> Turned | Tried:
    """Run one turn."""
    if shutil.which(cli, path=PATH) is None:
        pytest.skip(f"{cli} is not installed")
    home = place.folder.parent / "operator"
    made, env = agent(cli, base, home)
    no_way_out = {"NO_PROXY": "127.0.0.1", "HTTP_PROXY": NOWHERE, "HTTPS_PROXY": NOWHERE}
    operator = Operator({"PATH": PATH, **no_way_out, **env}, home)
    driver = AcpDriver(CATALOG, operator, NoSandbox(), FixedClock())
    brief = Brief(f"Fix add() in app.py. [[cwd={place.tree}]]", 2 if session else 1, session, policy or Policy())
    return driver.turn(made.model_copy(update=fields), brief, place, leash)


def repository(folder: Path) -> Workspace:
    place = place_in(folder)
    (place.tree / "app.py").write_text(BROKEN)
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "base")):
        subprocess.run(["git", *words], cwd=place.tree, check=True)
    return place


@pytest.mark.parametrize("cli", CLIS)
def test_a_real_cli_is_driven_to_a_real_edit(cli: str, model: ModelServer, tmp_path: Path) -> None:
    place, leash = repository(tmp_path), PaperLeash()
    turned = drive(cli, model.url("ok", f"edit-{cli}"), place, leash)
    assert isinstance(turned, Turned), turned
    assert "return a + b" in (place.tree / "app.py").read_text()
    assert (place.tree / "NOTES.md").exists()
    assert turned.session_id
    assert turned.cli_version
    assert "add() in app.py now adds" in turned.message
    assert leash.texts("agent.file") == ["NOTES.md"]
    assert len(leash.texts("agent.tool")) == 2


@pytest.mark.parametrize("cli", CLIS)
def test_what_a_real_cli_asks_is_refused_where_the_policy_denies_it(
    cli: str, model: ModelServer, tmp_path: Path
) -> None:
    place, leash = repository(tmp_path), PaperLeash()
    drive(cli, model.url("ok", f"deny-{cli}"), place, leash, policy=DENIED)
    refused = [event for event in leash.events if event.facts.get("phase") == "refused"]
    assert [event.facts["rule"] for event in refused][:1] == ["denied-path"]
    assert "denied-path: NOTES.md (a test)" in refused[0].text
    assert not (place.tree / "NOTES.md").exists()


@pytest.mark.parametrize("cli", CLIS)
def test_a_real_cli_that_only_reads_changes_nothing(cli: str, model: ModelServer, tmp_path: Path) -> None:
    place, leash = repository(tmp_path), PaperLeash()
    drive(cli, model.url("ok", f"read-{cli}"), place, leash, kind=AgentKind.REVIEW)
    assert (place.tree / "app.py").read_text() == BROKEN
    assert not (place.tree / "NOTES.md").exists()


@pytest.mark.parametrize("cli", CLIS)
def test_a_real_cli_resumes_its_session_and_begins_anew_without_it(
    cli: str, model: ModelServer, tmp_path: Path
) -> None:
    place = repository(tmp_path)
    first = drive(cli, model.url("chat", f"first-{cli}"), place, PaperLeash())
    assert isinstance(first, Turned), first
    leash = PaperLeash()
    again = drive(cli, model.url("chat", f"again-{cli}"), place, leash, session=first.session_id)
    assert isinstance(again, Turned), again
    if cli != "gemini":  # 0.61.0 overwrites a session that began in the same minute; a minute later it finds it
        assert (again.session_id, leash.texts("step.progress")) == (first.session_id, [])
    leash = PaperLeash()
    anew = drive(cli, model.url("chat", f"anew-{cli}"), place, leash, session="00000000-0000-4000-8000-000000000000")
    assert isinstance(anew, Turned), anew
    assert leash.texts("step.progress") == ["the agent does not know its session; it starts anew"]


@pytest.mark.parametrize("cli", CLIS)
def test_a_real_cli_ends_its_turn_when_it_is_cancelled(cli: str, model: ModelServer, tmp_path: Path) -> None:
    place, leash = repository(tmp_path), PaperLeash()
    began = model.url("hang", f"cancel-{cli}")
    asked = f"cancel-{cli}"
    leash.stop_when = lambda _: "cancelled" if any(a.tag == asked and a.step >= 0 for a in model.asked) else None
    tried = drive(cli, began, place, leash)
    assert isinstance(tried, Tried), tried
    assert (tried.failure, tried.detail) == (Failure.CANCELLED, "cancelled")


@pytest.mark.parametrize("cli", ["opencode", "gemini", "copilot"])
def test_a_usage_limit_of_a_real_cli_is_one(cli: str, model: ModelServer, tmp_path: Path) -> None:
    tried = drive(cli, model.url("usage", f"usage-{cli}"), repository(tmp_path), PaperLeash())
    assert isinstance(tried, Tried), tried
    assert tried.failure is Failure.QUOTA
