"""A turn over the Agent Client Protocol, badly played: no agent's doing breaks the turn, the tree's borders or the policy."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from loopy.agents.limits import Verdict
from loopy.domain.agent import AgentKind
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.domain.policy import Policy
from tests.agents.acp_support import go, spec
from tests.agents.support import NOW, PaperLeash

# ---- files ----


def test_files_are_read_and_written_through_us(tmp_path: Path) -> None:
    ran = go(tmp_path, "through")
    assert (ran.place.tree / "deep/er/app.py").read_text() == "fixed\n"
    assert ran.leash.texts("agent.file") == ["deep/er/app.py"]
    assert ran.said.endswith("fixed\n-32002")
    assert [path.name for path in (ran.place.tree / "deep/er").iterdir()] == ["app.py"], "no draft is left"


def test_no_path_leads_out_of_the_tree(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/x").write_text("ours")
    ran = go(tmp_path, "escapes")
    assert ran.turned.exit_code == 0
    lines = ran.said.splitlines()
    assert len(lines) == 14
    assert all(line.startswith("refused by policy: ") for line in lines), lines
    rules = [line.split(": ")[1] for line in lines[::2]]
    assert rules == ["symlink"] * 2 + ["outside-workspace"] * 2 + ["bad-name"] + ["outside-workspace"] * 2
    assert rules == [line.split(": ")[1] for line in lines[1::2]]
    assert (tmp_path / "run/x").read_text() == "ours"
    assert len(ran.refusals()) == 14


def test_without_authority_no_file_is_written(tmp_path: Path) -> None:
    leash = PaperLeash()
    looks = iter((True,))
    leash.authorised = lambda: next(looks, False)  # type: ignore[method-assign]  # the guard still had it
    ran = go(tmp_path, "through", leash=leash)
    assert "the claim is not ours any more" in ran.said
    assert not (ran.place.tree / "deep").exists()


# ---- what it may do ----


def test_a_denied_path_is_refused_however_it_is_asked_for(tmp_path: Path) -> None:
    ran = go(tmp_path, "denied")
    assert not (ran.place.tree / "secrets").exists()
    assert not (ran.place.tree / "Secrets").exists()
    assert ran.refusals() == ["denied-path"] * 9 + ["outside-workspace"]
    assert "o-allow" not in ran.said
    tools = [e.text for e in ran.leash.events if e.facts.get("phase") == "refused"]
    assert tools[0] == "refused by policy: denied-path: secrets/key (keys live there)"


def test_what_was_told_of_a_call_before_counts_when_it_asks(tmp_path: Path) -> None:
    ran = go(tmp_path, "told_before")
    assert (ran.said, ran.refusals()) == ("no", ["denied-path"])


def test_the_rest_is_allowed_once_and_what_a_person_is_asked_passes_until_the_gate(tmp_path: Path) -> None:
    ran = go(tmp_path, "leave")
    assert ran.said == "o-allow_once" * 4 + "cancelled"
    assert ran.refusals() == []


def test_another_policy_gives_another_answer(tmp_path: Path) -> None:
    ran = go(tmp_path, "told_before", policy=Policy())
    assert (ran.said, ran.refusals()) == ("cancelled", [])


# ---- lines ----


def test_no_line_of_an_agent_breaks_the_conversation(tmp_path: Path) -> None:
    ran = go(tmp_path, "noise")
    assert ran.said == "-32601" * 2 + "-32602" * 4 + "-32603"
    assert ran.leash.output().splitlines()[:4] == ["Starting...", "{", '{"jsonrpc":', "[1,2]"]
    raw = (ran.place.folder / ran.turned.transcript).read_text()
    assert "from_the_future" in raw
    assert "not ours" in raw


def test_an_update_of_twenty_megabytes_passes(tmp_path: Path) -> None:
    ran = go(tmp_path, "large")
    assert ran.turned.message.endswith("after")
    assert max(len(event.text) for event in ran.leash.events) <= 8_001


def test_a_file_that_is_too_large_is_refused_and_the_agent_goes_on(tmp_path: Path) -> None:
    ran = go(tmp_path, "too_large")
    assert ran.said == "-32600-32602"
    assert "more" not in ran.leash.output()
    assert "bytes is left out]" in ran.leash.output()
    assert list(ran.place.tree.iterdir()) == []


# ---- ends ----


def test_a_limit_in_an_error_is_a_limit_with_its_reset(tmp_path: Path) -> None:
    tried = go(tmp_path, "limited").tried
    assert (tried.failure, tried.resets_at) == (Failure.QUOTA, NOW + timedelta(hours=2))


def test_a_code_of_an_entrys_own_is_read_by_its_row(tmp_path: Path) -> None:
    from loopy.agents.rules import LimitRule

    row = LimitRule.model_validate({"class": "throttle", "on": "event", "regex": "^-31001"})
    assert go(tmp_path, "own_code", of=spec().model_copy(update={"limit": (row,)})).tried.failure is Failure.THROTTLE


def test_an_error_that_names_no_limit_is_a_crash_and_internal_is_no_word_for_overload(tmp_path: Path) -> None:
    tried = go(tmp_path, "broken").tried
    assert tried.failure is Failure.AGENT_CRASH
    assert "no such tool" in tried.detail


def test_a_turn_without_any_deed_is_a_limit_if_stderr_says_so(tmp_path: Path) -> None:
    assert go(tmp_path, "silent_limit").tried.failure is Failure.THROTTLE


def test_a_turn_without_a_word_or_a_deed_is_a_crash_but_not_of_one_who_only_reads(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    assert go(tmp_path / "a", "wordless").tried == Verdict(
        Failure.AGENT_CRASH, "it ended its turn without a word or a deed"
    )
    assert go(tmp_path / "b", "wordless", kind=AgentKind.REVIEW).turned.message == ""


def test_a_limit_in_a_message_is_one_only_by_a_row_of_the_entry_and_where_nothing_was_done(tmp_path: Path) -> None:
    from loopy.agents.rules import LimitRule

    row = LimitRule.model_validate({"class": "quota", "on": "stdout", "regex": r"(?m)^Error: 429 .*usage limit"})
    entry = spec().model_copy(update={"limit": (row,)})
    for folder in "abc":
        (tmp_path / folder).mkdir()
    assert go(tmp_path / "a", "limit_as_message", of=entry).tried.failure is Failure.QUOTA
    assert go(tmp_path / "b", "limit_as_message").turned.message.startswith("Error: 429")
    assert go(tmp_path / "c", "prose", of=entry).turned.message == "Done."


def test_a_login_that_expires_in_the_middle_is_no_crash(tmp_path: Path) -> None:
    tried = go(tmp_path, "logged_out", of=spec().model_copy(update={"limit": ()})).tried
    assert (tried.failure, tried.detail) == (Failure.AUTH, "Authentication required: 401; log it in: fake login")


def test_a_limit_in_the_agents_prose_is_none(tmp_path: Path) -> None:
    assert go(tmp_path, "prose").turned.message == "Done."


@pytest.mark.parametrize(
    ("reason", "failure", "said"),
    [
        ("cancelled", Failure.AGENT_CRASH, "which nobody asked for"),
        ("max_tokens", Failure.CONTEXT_OVERFLOW, "tokens ran out"),
        ("refusal", Failure.AGENT_CRASH, "refused to go on"),
    ],
)
def test_a_stop_reason_is_no_success_by_itself(tmp_path: Path, reason: str, failure: Failure, said: str) -> None:
    tried = go(tmp_path, f"stop-{reason}").tried
    assert tried.failure is failure
    assert said in tried.detail


@pytest.mark.parametrize("reason", ["end_turn", "max_turn_requests", "from_the_future"])
def test_other_stop_reasons_leave_the_word_to_the_change(tmp_path: Path, reason: str) -> None:
    assert go(tmp_path, f"stop-{reason}").turned.message == "Error: 404"


@pytest.mark.parametrize("code", [0, 7])
def test_an_agent_that_goes_in_the_middle_of_its_turn_has_crashed_whatever_it_did(tmp_path: Path, code: int) -> None:
    tried = go(tmp_path, "dies", env={"ACP_EXIT": str(code)}).tried
    assert tried.failure is Failure.AGENT_CRASH
    assert tried.detail == f"it ended in the middle of its turn, with exit code {code}; last words: panic: out of ideas"


def test_half_a_line_at_the_end_is_kept_and_fatal_to_nobody(tmp_path: Path) -> None:
    ran = go(tmp_path, "half")
    assert ran.tried.failure is Failure.AGENT_CRASH
    assert ran.leash.output() == '{"jsonrpc":"2.0","method":"session/upd'


def stopper(reason: str) -> PaperLeash:
    leash = PaperLeash()
    leash.stop_when = lambda seen: reason if seen.texts("agent.message") else None
    return leash


@pytest.mark.parametrize("reason", ["cancelled", "draining"])
def test_an_agent_is_asked_to_cancel_first(tmp_path: Path, reason: str) -> None:
    ran = go(tmp_path, "hang", leash=stopper(reason))
    assert (ran.tried.failure, ran.tried.detail) == (Failure.CANCELLED, reason)
    assert ran.sent("session/cancel") == [{"sessionId": "s-1"}]
    assert (ran.place.tree / "cancelled").read_text() == "s-1"


def test_an_agent_that_ignores_a_cancel_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopy.agents.acp_attempt.CANCEL_S", 0.2)
    entry = spec()
    entry = entry.model_copy(update={"watchdog": entry.watchdog.model_copy(update={"kill_grace_s": 0.1})})
    tried = go(tmp_path, "deaf", of=entry, leash=stopper("cancelled")).tried
    assert (tried.failure, tried.detail) == (Failure.CANCELLED, "cancelled")


def test_a_claim_that_is_lost_ends_the_agent_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(LostError):
        go(tmp_path, "hang", leash=stopper("lost"))
    assert not (tmp_path / "tree/cancelled").exists()


def test_an_agent_that_never_reads_what_it_asks_for_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopy.agents.acp_wire.UNREAD_BYTES", 16_000_000)
    entry = spec()
    entry = entry.model_copy(update={"watchdog": entry.watchdog.model_copy(update={"kill_grace_s": 0.1})})
    tried = go(tmp_path, "drowns", of=entry).tried
    assert (tried.failure, tried.detail) == (Failure.AGENT_CRASH, "it does not read what it is sent")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["mute", "deaf"])
def test_a_silent_agent_has_stalled(tmp_path: Path, scenario: str) -> None:
    entry = spec()
    entry = entry.model_copy(update={"watchdog": entry.watchdog.model_copy(update={"kill_grace_s": 0.1})})
    assert go(tmp_path, scenario, of=entry, idle_s=1).tried.failure is Failure.AGENT_STALLED


def test_an_adapter_that_is_not_installed_is_missing(tmp_path: Path) -> None:
    ran = go(tmp_path, "edit", of=spec(argv=("fake-acp-adapter",)))
    assert ran.tried.failure is Failure.AGENT_MISSING
    assert "no program `fake-acp-adapter` on the PATH" in ran.tried.detail
    assert not os.path.exists(tmp_path / "seen.jsonl")
