"""A home that says what nobody understands, or whose key is open to others: refused in one line that has the remedy."""

from __future__ import annotations

import pytest

from tests.bad_luck.support import Yard

WRONG = {
    "polic.sandbox = 'none'\n": "polic: no such key (did you mean 'policy'?)",
    '[policy]\nsandbox = "none"\nturn = 3\n': "policy.turn: no such key",
    "[limits]\nchecks = 0\n": "limits.checks",
    "[agents.x]\ncli = 'command'\nargs = ['true']\n": "agents.x.args: no such key",
    "this is no TOML\n": "loopy.toml",
    "a = '\xff'": "loopy.toml",
}


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("words", [("board",), ("run", "x"), ("agents",), ("ticket", "add", "x")])
def test_a_setting_that_nobody_knows_stops_every_command_with_its_key(
    yard: Yard, text: str, words: tuple[str, ...]
) -> None:
    (yard.home / "loopy.toml").write_bytes(text.encode("latin-1"))
    said = yard.loopy(*words)
    assert (said.code, len(said.err.splitlines())) == (2, 1), said.err
    assert WRONG[text] in said.err
    assert str(yard.home / "loopy.toml") in said.err


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_key_that_others_may_read_signs_nothing_until_its_mode_is_mended(yard: Yard, mode: int) -> None:
    run_id = yard.file("Write done", "good")
    yard.hire()
    yard.until_ended(run_id)
    yard.workers[0].stop()
    key = yard.home / "keys" / "ship_ed25519"
    key.chmod(mode)
    second = yard.file("Write done again", "good")
    worker = yard.hire()
    yard.until(lambda: not worker.alive, "the worker ends", 20)
    assert worker.process.returncode == 1
    log = (yard.house.repo.parent / "worker-1.log").read_text()
    assert f"chmod 600 {key}" in log
    assert yard.run(second).ended_at is None
    doctor = {sign["name"]: sign for sign in yard.loopy("doctor", "--json").json["signs"]}
    assert (doctor["signing key"]["state"], "chmod 600" in doctor["signing key"]["fix"]) == ("fail", True)
    key.chmod(0o600)
    yard.hire()
    yard.until_ended(second)
    assert yard.came_to(second)[0] == "PASSED"
