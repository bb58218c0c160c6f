"""`loopy agents test`: the scenarios of the scripted model, with a CLI of ours that is good, bad in one way, or real."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from loopy.agents.scripted.setup import KEY

from .support import House
from .toy_cli import install

QUICK = ("ok", "resume", "unknown", "usage", "usage2", "quota", "auth", "overflow", "overload", "cut")
REAL = os.environ.get("LOOPY_REAL_AGENTS", "")  # a folder of programs, such as `make agents-real` installs


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / ".toy").mkdir()
    (tmp_path / "operator" / ".toy" / "key").write_text("the-operators-own-key")
    return {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "operator"),
        "TOY_KEY": "the-operators-own-key",
        "TOY_URL": "http://127.0.0.1:9/nobody",
    }


def tried(settled: House, env: dict[str, str], *names: str, cli: str = "toy") -> Any:
    picked = (word for name in names for word in ("--scenario", name))
    return settled.loopy("agents", "test", cli, "--json", *picked, env=env)


def by_name(said: Any) -> dict[str, Any]:
    return {row["name"]: row for row in said.json["scenarios"]}


def test_a_good_cli_holds_every_scenario(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents")
    said = tried(settled, env, *QUICK)
    assert said.code == 0, said.out + said.err
    got = by_name(said)
    assert {name: row["got"] for name, row in got.items()} == {
        **dict.fromkeys(("ok", "resume", "unknown", "cut"), "turned"), "usage": "quota", "usage2": "quota",
        "quota": "billing", "auth": "auth", "overflow": "context_overflow", "overload": "capacity",
    }  # fmt: skip
    assert (got["ok"]["calls"], got["usage"]["calls"], got["usage2"]["calls"]) == (3, 1, 2)
    assert (said.json["ok"], said.json["version"], said.json["drive"]) == (True, "1.2.3", "print")


def test_nothing_of_the_operators_reaches_the_cli_and_nothing_is_left(
    settled: House, env: dict[str, str], tmp_path: Path
) -> None:
    program = install(tmp_path, settled.home / "agents")
    assert tried(settled, env, "ok").code == 0
    (seen,) = map(json.loads, (program.parent / "seen").read_text().splitlines())
    assert "the-operators-own-key" not in json.dumps(seen)
    assert seen["TOY_URL"].startswith("http://127.0.0.1:")
    assert "/s/ok/" in seen["TOY_URL"]
    assert not Path(seen["HOME"]).is_relative_to(tmp_path / "operator")
    assert not Path(seen["HOME"]).exists()
    assert not list(settled.home.glob("trial-*"))
    assert KEY != "the-operators-own-key"


@pytest.mark.parametrize(
    ("misdeed", "scenario", "got", "why"),
    [
        ("liar", "usage", "turned", "came to turned, not quota"),
        ("liar", "auth", "turned", "came to turned, not auth"),
        ("forgetful", "resume", "turned", "and says 00000000-0000-4000-8000-00000000beef"),
        ("forgetful", "unknown", "turned", "was not seen to begin anew"),
        ("lazy", "ok", "turned", "app.py is as it was"),
        ("alone", "ok", "turned", "it never asked the scripted model"),
    ],
)
def test_a_cli_that_is_not_as_it_must_be_is_found_out(
    settled: House, env: dict[str, str], tmp_path: Path, misdeed: str, scenario: str, got: str, why: str
) -> None:
    install(tmp_path, settled.home / "agents", misdeed)
    said = tried(settled, env, scenario)
    row = by_name(said)[scenario]
    assert (said.code, row["got"], row["good"]) == (1, got, False)
    assert why in row["said"]


def test_an_entry_may_say_what_else_comes_of_a_scenario(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents", "liar")
    with (settled.home / "agents" / "toy.toml").open("a") as entry:
        entry.write('[own_model.comes_to]\nusage = ["turned"]\n')
    said = tried(settled, env, "usage", "quota")
    assert {name: row["good"] for name, row in by_name(said).items()} == {"usage": True, "quota": False}
    assert by_name(said)["usage"]["expected"] == ["turned"]


def test_the_table_shows_scenario_expected_got_and_seconds(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents", "liar")
    said = settled.loopy("agents", "test", "toy", "--scenario", "ok", "--scenario", "quota", env=env)
    assert said.code == 1
    assert said.rows[0] == "Toy 1.2.3, print, on a scripted model"
    assert said.rows[1].split() == ["scenario", "expected", "got"]
    assert said.rows[2].split()[:4] == ["✓", "ok", "turned", "turned"]
    assert said.rows[3].split()[:6] == ["✗", "quota", "billing", "or", "quota", "turned"]
    assert said.rows[2].endswith(" s")
    assert said.rows[4].strip() == "came to turned, not billing or quota"


def test_where_the_entry_does_not_say_how_live_is_offered(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents", own_model="")
    said = settled.loopy("agents", "test", "toy", env=env)
    assert said.code == 2
    assert "loopy agents test toy --live" in said.err


def test_what_cannot_be_asked_for_is_refused_by_name(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents")
    for words, hint in (
        (("toy", "--scenario", "useage"), "did you mean 'usage'?"),
        (("toy", "--scenario", "denied"), "none is called 'denied'"),  # headless, nothing is asked
        (("toy", "--drive", "acp"), "not driven by acp"),
        (("toy", "--yes"), "nothing is spent"),
        (("toy", "--live", "--scenario", "ok"), "not for --live"),
        (("kimi",), "no program `kimi`"),
    ):
        said = settled.loopy("agents", "test", *words, env={**env, "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})
        assert said.code == 2, words
        assert hint in said.err, words


def test_another_program_of_that_name_is_not_tried(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    program = install(tmp_path, settled.home / "agents")
    program.write_text("#!/bin/sh\necho a duck 9.9.9\n")
    said = settled.loopy("agents", "test", "toy", env=env)
    assert said.code == 2
    assert "another program than Toy" in said.err


@pytest.mark.slow
def test_silence_is_noticed(settled: House, env: dict[str, str], tmp_path: Path) -> None:
    install(tmp_path, settled.home / "agents")
    said = tried(settled, env, "hang")
    assert (said.code, by_name(said)["hang"]["got"]) == (0, "agent_stalled")


@pytest.mark.slow
@pytest.mark.parametrize("cli", ["pi", "claude", "codex", "gemini", "qwen", "kimi", "opencode", "copilot"])
def test_a_real_cli_holds_its_scenarios_where_it_is_installed(
    settled: House, env: dict[str, str], tmp_path: Path, cli: str
) -> None:
    if not REAL or shutil.which(cli, path=REAL) is None:
        pytest.skip(f"{cli} is not in the folder that LOOPY_REAL_AGENTS names")
    path = f"{REAL}{os.pathsep}{os.environ['PATH']}"
    said = tried(settled, {**env, "PATH": path}, "ok", "resume", "unknown", "auth", "overflow", cli=cli)
    assert said.code == 0, said.out + said.err
