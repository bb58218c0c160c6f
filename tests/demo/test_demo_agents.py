"""The demo's scripted agents, run as real processes on a real copy of the demo's package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest

from loopy.domain.change import Change, Entry
from loopy.domain.gate import Facts, evaluate
from loopy.domain.policy import Verb
from loopy.domain.project import parse_project
from loopy.domain.states import Verdict
from loopy.settings.load import load_settings
from loopy.settings.model import Settings

DEMO = Path(__file__).parents[2] / "loopy" / "demo"
AGENTS = DEMO / "agents"
ENV = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def settings() -> Settings:
    text = (DEMO / "home.toml").read_text().replace("{python}", sys.executable).replace("{agents}", str(AGENTS))
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "loopy.toml").write_text(text.replace("{loopy}", str(DEMO.parent)))
        return load_settings({}, Path(home))


SETTINGS = settings()
FLEET = SETTINGS.agents
PROJECT = parse_project((DEMO / "package/loopy.toml").read_text())


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO / "package", tmp_path / "repo", ignore=shutil.ignore_patterns("__pycache__")))


def run(repo: Path, argv: tuple[str, ...], prompt: str = "") -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *argv[1:]] if argv[0] == "python" else argv
    return subprocess.run(words, cwd=repo, env=ENV, input=prompt, capture_output=True, text=True, timeout=60)


def turn(repo: Path, agent: str, prompt: str = "", *extra: str) -> subprocess.CompletedProcess[str]:
    argv = FLEET[agent].argv
    return run(repo, (*argv[:2], *extra) if extra else argv, prompt)


def check(repo: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    return {spec.name: run(repo, spec.argv) for spec in PROJECT.checks}


def codes(repo: Path) -> dict[str, int]:
    return {name: done.returncode for name, done in check(repo).items()}


def texts(repo: Path) -> dict[str, str]:
    return {str(p.relative_to(repo)): p.read_text() for p in sorted(repo.rglob("*")) if p.is_file()}


def edited(paths: set[str]) -> Change:
    ids = {"old_mode": "100644", "new_mode": "100644", "old_id": "a" * 40, "new_id": "b" * 40}
    entries = tuple(Entry(path=path, status="M", added=1, deleted=1, **ids) for path in sorted(paths))
    return Change(base="c" * 40, tree="d" * 40, digest="e" * 64, entries=entries)


PASSING = {"pytest": 0, "ruff": 0}


@pytest.mark.slow
def test_the_packages_checks_pass_before_any_agent_and_the_bug_is_real(repo: Path) -> None:
    done = check(repo)
    assert {name: d.returncode for name, d in done.items()} == PASSING
    assert "4 xfailed" in done["pytest"].stdout
    (repo / "tests/test_dates.py").write_text(
        "".join(line for line in (repo / "tests/test_dates.py").open() if "xfail" not in line)
    )
    assert "4 failed" in check(repo)["pytest"].stdout


@pytest.mark.slow
def test_the_tidier_removes_the_lint_debris_and_keeps_the_checks_green(repo: Path) -> None:
    argv = FLEET["tidier"].argv
    looked = tuple(word for word in argv if word not in ("--fix", "--unsafe-fixes"))
    assert run(repo, looked).returncode == 1
    assert turn(repo, "tidier", "any prompt").returncode == 0
    assert run(repo, looked).returncode == 0
    assert codes(repo) == PASSING


@pytest.mark.slow
def test_the_fixers_first_patch_is_wrong_and_its_second_made_from_the_failure_is_right(repo: Path) -> None:
    assert turn(repo, "fixer", "the ticket's text", "0").returncode == 0
    first = check(repo)["pytest"]
    assert first.returncode == 1
    assert "FAILED tests/test_dates.py" in first.stdout
    second = turn(repo, "fixer", f"The checks failed:\n{first.stdout[-3000:]}", "0")
    assert second.returncode == 0
    assert "FAILED tests/test_dates.py" in second.stdout
    done = check(repo)
    assert done["pytest"].returncode == done["ruff"].returncode == 0
    assert "xfailed" not in done["pytest"].stdout


@pytest.mark.slow
def test_the_fixer_does_not_find_the_right_patch_without_the_failures_words(repo: Path) -> None:
    for _ in range(2):
        turn(repo, "fixer", "the ticket's text", "0")
    assert codes(repo)["pytest"] == 1


def test_a_killed_fixer_begins_anew_in_the_half_edited_workspace(repo: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(repo, tmp_path / "whole"))
    turn(whole, "fixer", "", "0")
    agent = subprocess.Popen(
        [*FLEET["fixer"].argv[:2], "60"], cwd=repo, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert agent.stdout is not None
    with agent.stdout as lines:
        assert any("reading src/tinydates/dates.py" in line or "took the xfail marks off" in line for line in lines)
        agent.kill()
        agent.wait(10)
    assert texts(repo) != texts(whole)
    turn(repo, "fixer", "", "0")
    assert texts(repo) == texts(whole)


def test_the_fixer_speaks_while_it_works_so_that_a_kill_can_be_watched(repo: Path) -> None:
    said = turn(repo, "fixer", "", "0.1").stdout.splitlines()
    assert len(said) >= 6


def test_the_trespasser_edits_a_path_that_the_repositorys_policy_denies(repo: Path) -> None:
    before = texts(repo)
    assert turn(repo, "trespasser").returncode == 0
    changed = {path for path, text in texts(repo).items() if before.get(path) != text}
    assert changed == {"src/tinydates/__init__.py", "infra/publish.sh"}
    assert (repo / "infra/publish.sh").stat().st_mode == (DEMO / "package/infra/publish.sh").stat().st_mode
    assert PROJECT.policy is not None
    decision = evaluate(PROJECT.policy, Facts(change=edited(changed), sandbox_grade="fs-only"))
    assert decision.verdict is Verb.DENY
    assert {f.path for f in decision.findings if f.verb is Verb.DENY} == {"infra/publish.sh"}


@pytest.mark.parametrize("agent", ["fixer", "limited+finisher", "tidier"])
def test_the_policy_allows_the_other_agents_changes(repo: Path, agent: str) -> None:
    before = texts(repo)
    for name in agent.split("+"):
        turn(repo, name, "", *(["0"] if name == "fixer" else []))
    changed = {path for path, text in texts(repo).items() if before.get(path) != text}
    assert changed
    assert evaluate(SETTINGS.policy, Facts(change=edited(changed), sandbox_grade="fs-only")).verdict is Verb.ALLOW


@pytest.mark.slow
@pytest.mark.parametrize("tries", [1, 2])
def test_the_limited_agent_does_half_reports_its_limit_and_the_finisher_completes_it(repo: Path, tries: int) -> None:
    for _ in range(tries):
        limited = turn(repo, "limited")
    assert limited.returncode == 1
    word = json.loads(limited.stdout.splitlines()[-1])
    assert word["loopy"] == "limit"
    assert word["resets_in_s"] == 3600
    assert "raise NotImplementedError" in (repo / "src/tinydates/durations.py").read_text()
    for _ in range(tries):
        finished = turn(repo, "finisher", "handoff note … +def iso_duration(duration): …")
        assert finished.returncode == 0
    assert "the handoff note names iso_duration" in finished.stdout
    done = check(repo)
    assert done["pytest"].returncode == done["ruff"].returncode == 0
    assert "43 passed" in done["pytest"].stdout


def test_the_finisher_claims_nothing_where_nobody_began(repo: Path) -> None:
    before = texts(repo)
    assert turn(repo, "finisher").returncode == 1
    assert texts(repo) == before


@pytest.mark.parametrize("agent", ["fixer", "trespasser", "limited", "finisher"])
def test_a_scripted_agent_says_so_in_its_first_line_and_in_its_definition(repo: Path, agent: str) -> None:
    assert turn(repo, agent, "", "0").stdout.startswith(f"[scripted agent: {agent}]")
    assert FLEET[agent].scripted


def test_the_prompt_may_come_in_a_file(repo: Path, tmp_path: Path) -> None:
    told = tmp_path / "prompt.txt"
    told.write_text("FAILED tests/test_dates.py::test_x")
    done = subprocess.run(
        [*FLEET["fixer"].argv[:2], "0"],
        cwd=repo, env=ENV | {"LOOPY_PROMPT_FILE": str(told)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert "FAILED tests/test_dates.py::test_x" in done.stdout


def test_every_ticket_of_the_demo_names_a_known_agent_and_a_known_verdict() -> None:
    tickets = tomllib.loads((DEMO / "tickets.toml").read_text())["tickets"]
    assert [t["key"] for t in tickets] == ["tidy", "fix", "trespass", "limit"]
    for ticket in tickets:
        assert ticket["agent"] in FLEET
        assert Verdict(ticket["verdict"])
        assert ticket["title"]
        assert ticket["body"].strip()
    assert [t["key"] for t in tickets if t.get("kill")] == ["fix"]
    limited = FLEET["limited"]
    assert limited.fallback == (tickets[3]["failover_to"],)
    assert set(limited.fallback) <= set(FLEET)
