"""The 44 ways round a gate. Cases 30 and 37 have a second half that a sandbox must close: what lives on after a turn."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.domain.authority import load
from loopy.domain.change import Change, Entry
from loopy.domain.gate import Facts, evaluate
from loopy.domain.policy import Verb
from loopy.workspace.prescan import Limits
from tests.domain_gate import attacks_by_files, attacks_by_git
from tests.domain_gate.attacks import ATTACKS, CANARY, PAYLOAD, Attack
from tests.domain_gate.attacks_by_git import clean_filter, file_system_monitor, hooks_in_gits_folder
from tests.workspace.support import World, commit_all, git, make_world, put

POLICY = load(
    {
        "sandbox": "none",
        "paths": [
            {
                "deny": ["infra/", "secrets/", ".env*", "*.pem"],
                "why": "operations own it",
                "examples": {"hit": ["infra/main.tf", "Infra/x", "secrets"], "miss": ["docs/infra.md"]},
            }
        ],
    }
)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = (attacks_by_files, attacks_by_git)  # importing them fills ATTACKS
IN_OTHER_TESTS = {37, 40, 41}  # below, and for 41 in the tests of pushing


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path, Limits(new_files=200, file_bytes=1_000_000))


def everything(world: World, change: Change, armed: bool) -> None:
    """Do all that Loopy does with a change; the slow half only where a payload lies ready."""
    place = world.open(base=change.base)
    world.clones.diff(place, change)
    with world.clones.checkout(place, change.tree, 1):
        world.clones.patch(place, change)
    if armed:
        world.clones.commit(place, change, "message", WHEN)
        put(world.repo, {"upstream.txt": "u\n"})
        onto = commit_all(world.repo, "upstream")
        world.mirrors.tip(world.address)
        world.clones.rebase(place, change, onto, 1)
        world.open(base=onto)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_the_gate_sees_the_attack_and_runs_nothing_of_it(world: World, attack: Attack) -> None:
    place = world.open()
    attack.act(place.tree)
    canary = place.tree.parent / CANARY
    canary.unlink(missing_ok=True)  # a commit of the agent itself may have run its own hook
    change = world.snapshot(place)
    decision = evaluate(POLICY, Facts(change=change, repo=world.address))
    assert attack.rules <= {finding.rule for finding in decision.findings}
    assert decision.verdict.value == attack.verdict
    everything(world, change, armed=(place.tree.parent / PAYLOAD).exists())
    assert not canary.exists()


def test_every_one_of_the_44_cases_has_a_test() -> None:
    assert {attack.number for attack in ATTACKS} | IN_OTHER_TESTS == set(range(1, 45))


@pytest.mark.parametrize("act", [clean_filter, file_system_monitor, hooks_in_gits_folder])
def test_the_canary_is_alive_for_an_ordinary_git_runs_the_payload(world: World, act: object) -> None:
    assert callable(act)
    place = world.open()
    act(place.tree)
    canary = place.tree.parent / CANARY
    canary.unlink(missing_ok=True)
    git(place.tree, "add", "-A", check=False)
    git(place.tree, "status", check=False)
    assert canary.exists()


def test_case_30_ignored_files_never_reach_the_checks(world: World) -> None:
    place = world.open()
    put(place.tree, {"build/conftest.py": "evil\n", "x.log": "evil\n"})
    (place.tree / ".git/info/exclude").write_text("sitecustomize.py\n")
    put(place.tree, {"sitecustomize.py": "evil\n"})
    change = world.snapshot(place)
    assert [entry.path for entry in change.entries] == ["sitecustomize.py"]
    with world.clones.checkout(place, change.tree, 1) as at:
        assert not (at / "build").exists()
        assert not (at / "x.log").exists()


def test_case_37_a_write_after_the_gate_does_not_reach_what_ships(world: World) -> None:
    place = world.open()
    put(place.tree, {"src/tax.py": "RATE = 0.3\n"})
    change = world.snapshot(place)
    daemon = subprocess.Popen(["sh", "-c", "echo evil > src/tax.py; echo evil > infra/main.tf"], cwd=place.tree)
    daemon.wait(timeout=30)
    commit = world.clones.commit(place, change, "message", WHEN)
    assert world.mirrors.read(world.address, commit, "src/tax.py") == b"RATE = 0.3\n"
    assert [entry.path for entry in change.entries] == ["src/tax.py"]


def test_case_38_the_bases_file_is_what_is_read_for_commands(world: World) -> None:
    put(world.repo, {"loopy.toml": "good\n"})
    commit_all(world.repo, "settings")
    place = world.open()
    put(place.tree, {"loopy.toml": "evil\n"})
    git(place.tree, "commit", "-qam", "evil")
    world.snapshot(place)
    assert world.mirrors.read(world.address, place.base, "loopy.toml") == b"good\n"


def test_case_40_another_commit_is_another_digest_and_another_id(world: World) -> None:
    place = world.open()
    put(place.tree, {"a.txt": "a\n"})
    approved = world.snapshot(place)
    put(place.tree, {"a.txt": "b\n"})
    other = world.snapshot(place)
    assert approved.digest != other.digest
    assert world.clones.commit(place, approved, "m", WHEN) != world.clones.commit(place, other, "m", WHEN)


@pytest.mark.parametrize("field", ["message", "branch"])
def test_case_42_a_secret_in_the_message_or_the_branch_is_denied_and_not_repeated(field: str) -> None:
    secret = "AKIA" + "ABCD1234" * 2
    decision = evaluate(POLICY, Facts.model_validate({field: f"add {secret}"}))
    assert [finding.rule for finding in decision.findings] == ["secret"]
    assert decision.verdict is Verb.DENY
    assert secret not in decision.model_dump_json()


@pytest.mark.parametrize(
    "path",
    [
        "../up",
        "a/../b",
        "/abs",
        "a//b",
        "./a",
        ".git/config",
        "a/.Git/x",
        "GIT~1/x",
        "a.",
        "a ",
        "a\\b",
        "n" * 256,
        "x/" * 3000,
    ],
)
def test_case_43_names_that_no_tree_may_hold_are_denied(path: str) -> None:
    entry = Entry(path=path, status="A", old_mode="000000", new_mode="100644", old_id="0" * 40, new_id="1" * 40)
    decision = evaluate(POLICY, Facts(change=Change(base="b", tree="t", digest="d", entries=(entry,))))
    assert (decision.verdict, decision.tier) == (Verb.DENY, 3)
    assert "bad-name" in {finding.rule for finding in decision.findings}
