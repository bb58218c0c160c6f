"""A turn over the Agent Client Protocol, well played."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from pydantic import BaseModel

from loopy.domain.agent import AgentKind
from loopy.domain.failures import Failure
from tests.agents.acp_support import go, spec
from tests.agents.support import PaperLeash


def test_a_turn_is_streamed_and_comes_to_what_was_done(tmp_path: Path) -> None:
    ran = go(tmp_path, "edit")
    assert (ran.place.tree / "app.py").read_text() == "fixed\n"
    turned = ran.turned
    assert (turned.session_id, turned.message, turned.cli_version, turned.exit_code) == ("s-1", "Done.", "9.9.9", 0)
    assert (turned.usage.input_tokens, turned.usage.output_tokens, turned.usage.cost_micros) == (13, 4, 250_000)
    assert ran.leash.texts("agent.thought") == ["Fixing"]
    assert ran.leash.texts("agent.message") == ["Done."]
    assert ran.leash.texts("agent.file") == ["app.py"]
    tools = [(e.text, e.facts) for e in ran.leash.events if e.name == "agent.tool"]
    assert tools == [("Write app.py", {"tool": "edit", "phase": "start"})]
    names = [e.name for e in ran.leash.events]
    assert (names[0], names[-1]) == ("agent.started", "agent.result")
    raw = (ran.place.folder / turned.transcript).read_bytes()
    assert b"agent_message_chunk" in raw
    assert turned.transcript_sha256 == hashlib.sha256(raw).hexdigest()


def test_what_is_sent_is_what_the_protocol_asks_for(tmp_path: Path) -> None:
    ran = go(tmp_path, "leave", of=spec(mode={"work": "plan"}), model="Large")
    assert [node["method"] for node in ran.received if "method" in node] == [
        "initialize", "session/new", "session/set_config_option", "session/set_mode", "session/prompt",
    ]  # fmt: skip
    hello = ran.sent("initialize")[0]
    assert hello["clientCapabilities"] == {"fs": {"readTextFile": True, "writeTextFile": True}, "terminal": False}
    assert ran.sent("session/new") == [{"cwd": str(ran.place.tree), "mcpServers": []}]
    assert ran.sent("session/set_config_option") == [{"sessionId": "s-1", "configId": "m", "value": "p/large"}]
    assert ran.sent("session/set_mode") == [{"sessionId": "s-1", "modeId": "plan"}]
    assert ran.sent("session/prompt")[0]["prompt"] == [{"type": "text", "text": "fix app.py"}]
    assert ran.turned.model == "p/large"


def test_every_message_of_ours_fits_the_schema(tmp_path: Path) -> None:
    from acp import schema
    from acp.meta import AGENT_METHODS

    models: dict[str, type[BaseModel]] = {
        "initialize": schema.InitializeRequest,
        "authenticate": schema.AuthenticateRequest,
        "session/new": schema.NewSessionRequest,
        "session/load": schema.LoadSessionRequest,
        "session/resume": schema.ResumeSessionRequest,
        "session/set_config_option": schema.SetSessionConfigOptionSelectRequest,
        "session/set_mode": schema.SetSessionModeRequest,
        "session/prompt": schema.PromptRequest,
        "session/cancel": schema.CancelNotification,
    }
    seen: set[str] = set()
    entry = {"authenticate": "key", "mode": {"work": "plan"}, "load": "load"}
    stop = PaperLeash()
    stop.stop_when = lambda leash: "cancelled" if leash.texts("agent.message") else None
    for number, (session, scenario, leash) in enumerate(
        (("", "edit", None), ("s-0", "edit", None), ("", "hang", stop))
    ):
        for load in ("load", "resume") if session else ("load",):
            folder = tmp_path / f"{number}-{load}"
            folder.mkdir()
            ran = go(folder, scenario, of=spec(**entry | {"load": load}), session=session, model="p/large", leash=leash)
            for node in ran.received:
                assert node["jsonrpc"] == "2.0"
                models[node["method"]].model_validate(node["params"], strict=False)
                seen.add(node["method"])
    assert seen == set(models)
    assert seen <= set(AGENT_METHODS.values())


@pytest.mark.parametrize("load", ["load", "resume"])
def test_a_session_is_resumed_and_what_it_replays_is_no_news(tmp_path: Path, load: str) -> None:
    ran = go(tmp_path, "edit", of=spec(load=load), session="s-0")
    assert ran.sent(f"session/{load}") == [{"sessionId": "s-0", "cwd": str(ran.place.tree), "mcpServers": []}]
    assert ran.sent("session/new") == []
    assert (ran.turned.session_id, ran.said) == ("s-0", "Done.")
    assert [e.text for e in ran.leash.events if e.name == "agent.tool"] == ["Write app.py"]
    assert ran.turned.usage.cost_micros is None, "the sum of all turns is not this turn's"


@pytest.mark.parametrize(("scenario", "told"), [("forgets", ["session/load"]), ("no_load", [])])
def test_a_session_that_is_not_known_begins_anew_with_the_same_brief(
    tmp_path: Path, scenario: str, told: list[str]
) -> None:
    ran = go(tmp_path, scenario, of=spec(load="load"), session="s-0")
    methods = [node["method"] for node in ran.received if "method" in node]
    assert methods == ["initialize", *told, "session/new", "session/prompt"]
    assert (ran.turned.session_id, ran.turned.message) == ("s-1", "Done.")
    assert ran.leash.texts("step.progress") == ["the agent does not know its session; it starts anew"]


def test_the_model_is_chosen_as_older_servers_want_it(tmp_path: Path) -> None:
    ran = go(tmp_path, "old_models", model="large")
    assert ran.sent("session/set_model") == [{"sessionId": "s-1", "modelId": "p/large"}]
    assert ran.turned.model == "p/large"


def test_files_are_offered_only_to_a_cli_that_is_known_to_use_them_well(tmp_path: Path) -> None:
    hello = go(tmp_path, "edit", of=spec(client_fs=False)).sent("initialize")[0]
    assert hello["clientCapabilities"]["fs"] == {"readTextFile": False, "writeTextFile": False}


def test_a_model_that_is_in_use_already_is_not_set_again(tmp_path: Path) -> None:
    ran = go(tmp_path, "edit", model="Small")
    assert ran.sent("session/set_config_option") == []
    assert ran.turned.model == "p/small"


def test_a_model_that_the_cli_does_not_have_ends_the_turn_before_it_begins(tmp_path: Path) -> None:
    ran = go(tmp_path, "edit", model="huge")
    assert ran.tried.failure is Failure.AGENT_MISSING
    assert ran.tried.detail == "Fake has no model 'huge'; it offers: p/small, p/large"
    assert ran.sent("session/prompt") == []


def test_a_server_that_lets_nobody_choose_works_with_its_own_model_and_says_so(tmp_path: Path) -> None:
    ran = go(tmp_path, "no_models", model="huge", of=spec(mode={"work": "yolo"}))
    assert ran.leash.texts("step.progress") == [
        "the agent lets nobody choose its model; it uses its own",
        "the agent has no mode 'yolo'",
    ]
    assert ran.turned.message == "Done."


def test_a_model_by_argv_stands_on_the_command_line(tmp_path: Path) -> None:
    argv = ("{bin}", "-I", "-S", *spec().acp.argv[3:4], "{*extra}", "{*model}")  # type: ignore[union-attr]
    ran = go(tmp_path, "edit", model="m-1", of=spec(argv=argv, model="argv", model_argv=("--model", "{model}")))
    assert ran.sent("session/set_config_option") == []
    assert ran.turned.message == "Done."


def test_an_agent_that_only_reads_gets_its_mode_and_may_not_write(tmp_path: Path) -> None:
    entry = spec(mode={"read_only": "plan", "work": "build"})
    ran = go(tmp_path, "reads", of=entry, kind=AgentKind.REVIEW)
    assert ran.sent("session/set_mode") == [{"sessionId": "s-1", "modeId": "plan"}]
    assert ran.sent("initialize")[0]["clientCapabilities"]["fs"] == {"readTextFile": True, "writeTextFile": False}
    assert ran.refusals() == ["read-only"] * 6
    assert ran.said.startswith("o-reject_once" * 5 + "o-allow_once" * 2)
    assert not (ran.place.tree / "app.py").exists()


def test_the_entry_names_the_way_to_log_in(tmp_path: Path) -> None:
    assert go(tmp_path, "edit", of=spec(authenticate="key")).sent("authenticate") == [{"methodId": "key"}]


@pytest.mark.parametrize(("scenario", "method"), [("edit", "browser"), ("log_in", "")])
def test_a_server_that_wants_a_login_says_how(tmp_path: Path, scenario: str, method: str) -> None:
    tried = go(tmp_path, scenario, of=spec(authenticate=method)).tried
    assert (tried.failure, tried.detail) == (Failure.AUTH, "Authentication required; log it in: fake login")


def test_another_version_of_the_protocol_is_not_spoken(tmp_path: Path) -> None:
    ran = go(tmp_path, "future")
    assert ran.tried.failure is Failure.AGENT_MISSING
    assert "speaks version 2 of the protocol, Loopy speaks 1" in ran.tried.detail
    assert [node["method"] for node in ran.received] == ["initialize"]


def test_a_server_that_does_not_leave_when_its_input_ends_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopy.agents.acp_attempt.HANG_UP_S", 0.1)
    entry = spec()
    entry = entry.model_copy(update={"watchdog": entry.watchdog.model_copy(update={"kill_grace_s": 0.1})})
    ran = go(tmp_path, "stubborn", of=entry)
    assert (ran.turned.message, ran.turned.exit_code) == ("Done.", None)


def test_what_comes_after_the_answer_changes_nothing_of_it(tmp_path: Path) -> None:
    assert go(tmp_path, "talkative").turned.message.startswith("Done.")
