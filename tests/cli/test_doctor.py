"""`loopy doctor`, `loopy agents`, `loopy agent create`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from loopy.bootstrap.services import Services
from loopy.cli.doctor import broker_sign
from loopy.queue.probe import probe
from tests.support.boxes import FORBIDDEN, before, broken, needs_bwrap

from .support import SETTINGS, House, file_and_start


def signs(said: Any) -> dict[str, dict[str, str]]:
    return {sign["name"]: sign for sign in said.json["signs"]}


def test_a_settled_house_is_in_order(settled: House) -> None:
    said = settled.loopy("doctor", "--json")
    found = signs(said)
    assert said.code == 0, said.out
    assert {"home", "work graph", "SQLite", "broker", "git", "workers", "sandbox", "disk", "signing key"} <= set(found)
    assert found["agent worker"]["state"] == "ok"
    assert found["sandbox"]["state"] == "warn"
    assert "mode 0700" in found["home"]["text"]


def test_each_sign_is_one_line_and_a_fix_stands_below_it(settled: House) -> None:
    rows = settled.loopy("doctor").rows
    at = next(n for n, row in enumerate(rows) if "no sandbox" in row)
    assert rows[at].startswith("! ")
    assert rows[at + 1].startswith("   → ")


def test_a_policy_that_this_host_cannot_meet_fails_with_the_line_that_mends_it(house: House, tmp_path: Path) -> None:
    house.settle('[agents.worker]\ncli = "command"\nargv = ["true"]\n')
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    said = house.loopy("doctor", "--json")
    assert said.code == 1
    sign = signs(said)["sandbox"]
    assert sign["state"] == "fail"
    assert f"does not work: {FORBIDDEN}" in sign["text"]
    assert "every run is refused" in sign["text"]
    assert 'sandbox = "none"' in sign["fix"]


@pytest.mark.parametrize(
    ("settings", "what", "fix"),
    [
        ('[policy]\nsandbox = "full"\n', "the network is open", '[policy] sandbox = "fs-only"'),
        ('[sandbox]\nbackend = "none"\n', "[sandbox] backend is 'none'", 'say "auto" there'),
    ],
)
@needs_bwrap
def test_a_policy_that_asks_for_more_than_there_is_fails(house: House, settings: str, what: str, fix: str) -> None:
    house.settle(settings)
    sign = signs(house.loopy("doctor", "--json"))["sandbox"]
    assert sign["state"] == "fail"
    assert what in sign["text"]
    assert fix in sign["fix"]


@needs_bwrap
def test_a_box_that_works_is_named_with_what_it_leaves_open(house: House) -> None:
    house.settle("")
    sign = signs(house.loopy("doctor", "--json"))["sandbox"]
    assert sign["state"] == "ok"
    assert re.match(
        r"bubblewrap [\d.]+, grade fs-only: .*the network is open; `true` was run in it just now", sign["text"]
    )


@needs_bwrap
def test_who_runs_without_one_is_told_that_it_works_here(settled: House) -> None:
    sign = signs(settled.loopy("doctor", "--json"))["sandbox"]
    assert sign["state"] == "warn"
    assert "bubblewrap works here" in sign["fix"]


def test_who_runs_without_one_is_told_what_to_mend(settled: House, tmp_path: Path) -> None:
    settled.env["PATH"] = before(broken(tmp_path / "bin"))
    assert FORBIDDEN in signs(settled.loopy("doctor", "--json"))["sandbox"]["fix"]


def test_a_home_that_others_may_enter_fails_and_the_rest_is_still_told(settled: House) -> None:
    settled.home.chmod(0o777)
    said = settled.loopy("doctor", "--json")
    assert said.code == 1
    found = signs(said)
    assert found["home"]["state"] == "fail"
    assert "chmod 700" in found["home"]["fix"]
    assert "git" in found


def test_a_broker_that_does_not_answer_fails(settled: House) -> None:
    said = settled.loopy("doctor", "--json", env={"LOOPY_BROKER_URL": "redis://127.0.0.1:1/0"})
    assert said.code == 1
    assert signs(said)["broker"]["state"] == "fail"


def test_a_broker_that_nobody_knows_is_signed_as_the_broker_and_names_the_setting(settled: House) -> None:
    said = settled.loopy("doctor", "--json", env={"LOOPY_BROKER_URL": "kafka://127.0.0.1/0"})
    assert said.code == 1
    found = signs(said)
    assert "home" not in found
    assert found["broker"]["state"] == "fail"
    assert found["broker"]["text"].startswith("LOOPY_BROKER_URL: 'kafka' is no broker")


def test_a_setting_of_no_part_of_the_house_is_signed_as_settings(house: House) -> None:
    house.settle("nonsense = 1\n")
    found = signs(house.loopy("doctor", "--json"))
    assert "nonsense: no such key" in found["settings"]["text"]


def test_a_redis_that_forgets_is_a_warning_for_the_work_graph_has_it_all() -> None:
    import fakeredis

    class Forgetful(fakeredis.FakeRedis):
        def info(self, *_: Any, **__: Any) -> dict[str, Any]:
            return {"redis_version": "7.0.0", "aof_enabled": 0}

        def config_get(self, pattern: Any = "*", *_: Any, **__: Any) -> dict[str | None, str | None]:
            return {"save": "", "maxmemory-policy": "allkeys-lru"} if pattern in ("save", "maxmemory-policy") else {}

    found = {f.name: broker_sign(f) for f in probe("redis://127.0.0.1/0", client=Forgetful())}
    forgets = found["broker persistence"]
    assert forgets.state == "warn"
    assert "no work can be lost" in forgets.text
    assert found["broker eviction"].state == "fail"


def test_work_without_a_worker_is_a_warning(settled: House, made: Services) -> None:
    file_and_start(made, "x", settled.repo)
    found = signs(settled.loopy("doctor", "--json"))
    assert found["workers"]["state"] == "warn"
    assert found["workers"]["fix"] == "loopy up"


def test_a_key_that_others_may_read_fails(settled: House) -> None:
    from loopy.receipts.keys import load_or_make

    load_or_make(settled.home / "keys", "abc")
    (settled.home / "keys" / "ship_ed25519").chmod(0o644)
    found = signs(settled.loopy("doctor", "--json"))
    assert found["signing key"]["state"] == "fail"
    assert "chmod 600" in found["signing key"]["fix"]


def test_agents_are_listed_with_health_and_cooldown(settled: House, made: Services) -> None:
    from datetime import timedelta

    settled.settle(SETTINGS + '[agents.gone]\ncli = "command"\nargv = ["no-such-program"]\nscripted = true\n')
    with made.graph.write() as tx:
        tx.fleet.cool("worker", tx.now + timedelta(hours=1), "quota")
    found = {each["name"]: each for each in settled.loopy("agents", "--json").json["agents"]}
    assert found["worker"]["healthy"] is True
    assert found["worker"]["cooling_why"] == "quota"
    assert found["gone"]["healthy"] is False
    assert "no-such-program" in found["gone"]["reason"]
    said = settled.loopy("agents").out
    assert "cooling" in said
    assert "not usable" in said
    assert "scripted" in said


def test_without_agents_the_list_says_how_to_add_one(house: House) -> None:
    house.settle("")
    assert "loopy agent create" in house.loopy("agents").out


def test_an_agent_of_the_catalogue_is_added(settled: House) -> None:
    said = settled.loopy("agent", "create", "claude", "--cli", "claude", "--model", "fast", "--fallback", "worker")
    assert said.code == 0, said.err
    added = tomllib.loads((settled.home / "loopy.toml").read_text())["agents"]["claude"]
    assert added == {"cli": "claude", "model": "fast", "fallback": ["worker"]}


def test_a_command_is_an_agent_too_with_its_own_options(settled: House) -> None:
    said = settled.loopy("agent", "create", "tool", "--", "tool", "--json", "-x", "two words")
    assert said.code == 0, said.err
    added = tomllib.loads((settled.home / "loopy.toml").read_text())["agents"]["tool"]
    assert added["argv"] == ["tool", "--json", "-x", "two words"]


def test_a_home_without_a_file_gets_the_starter_with_the_agent(house: House) -> None:
    assert house.loopy("agent", "create", "codex", "--cli", "codex").code == 0
    text = (house.home / "loopy.toml").read_text()
    assert text.startswith("# Loopy's settings.")
    assert tomllib.loads(text)["agents"]["codex"]["cli"] == "codex"
    assert (house.home / "loopy.toml").stat().st_mode & 0o077 == 0


def test_what_is_no_agent_is_refused_and_the_file_stays_as_it_is(settled: House) -> None:
    before = (settled.home / "loopy.toml").read_text()
    for words, complaint in (
        (("worker", "--cli", "claude"), "is there already"),
        (("Bad", "--cli", "claude"), "no good name"),
        (("x", "--cli", "cloude"), "did you mean 'claude'?"),
        (("x", "--cli", "claude", "--fallback", "wrker"), "did you mean 'worker'?"),
        (("x",), "either --cli"),
        (("x", "--cli", "claude", "--", "true"), "either --cli"),
    ):
        said = settled.loopy("agent", "create", *words)
        assert said.code == 2, words
        assert complaint in said.err
    assert (settled.home / "loopy.toml").read_text() == before
    assert [path.name for path in Path(settled.home).glob(".loopy.toml*")] == []
