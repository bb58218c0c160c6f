"""The handshake alone, the choice between the two drivers, and the messages' cut."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from loopy.agents.acp_greet import initialize_only
from loopy.agents.acp_wire import Frames, RpcError
from loopy.agents.drivers import Drivers
from loopy.agents.environment import Operator
from loopy.agents.launch import acp_command_line, missing_server
from loopy.agents.spec import Acp, Detect, Print, Spec
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.failures import Failure
from loopy.ports import Brief
from loopy.sandbox.none import NoSandbox
from tests.agents.acp_support import POLICY, go, spec
from tests.agents.support import CATALOG, FixedClock, PaperLeash, place_in

OPERATOR = Operator({"PATH": os.defpath})


def agent(scenario: str, **fields: Any) -> Agent:
    return Agent.model_validate({"name": "a", "cli": "fake", "argv": (scenario,), **fields})


def test_a_server_says_who_it_is_and_is_gone(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    said = initialize_only(spec(), agent("edit", env={"ACP_SEEN": str(seen)}), OPERATOR)
    assert (said.reason, said.protocol, said.name, said.version) == ("", 1, "fake", "9.9.9")
    assert said.methods == {"key": "Key"}
    assert said.capabilities["loadSession"] is True
    assert [json.loads(line)["method"] for line in seen.read_text().splitlines()] == ["initialize"]


def test_a_server_of_another_version_is_known_by_it() -> None:
    said = initialize_only(spec(), agent("future"), OPERATOR)
    assert (said.protocol, said.reason) == (2, "it speaks version 2 of the protocol, Loopy speaks 1")


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (("{bin}", "-c", "import sys; sys.exit('no key')"), "it ended before it answered, with exit code 1: no key"),
        (("no-such-server",), "Fake: no program `no-such-server` on the PATH"),
        (("{bin}", "-c", "import time; print('hm', flush=True); time.sleep(60)"), "it did not answer in 1 s: hm"),
        (
            ("{bin}", "-c", 'input(); print(\'{"id": 1, "error": {"code": -32601, "message": "what?"}}\', flush=True)'),
            "it refused the handshake: what?",
        ),
    ],
)
def test_a_program_that_does_not_answer_is_told_by_its_reason(argv: tuple[str, ...], reason: str) -> None:
    said = initialize_only(spec(argv=argv), agent("edit"), OPERATOR, answer_s=1.0)
    assert said.reason.startswith(reason)
    assert said.protocol is None


def both(*, prefer: bool = False, headless: bool = True) -> Spec:
    block = Print(argv=("{bin}", "-c", "print('headless')"))
    acp = spec(prefer=prefer).acp
    return spec().model_copy(update={"print": block if headless else None, "acp": acp})


@pytest.mark.parametrize(
    ("entry", "drive", "driven"),
    [
        (both(), "", "print"),
        (both(prefer=True), "", "acp"),
        (both(headless=False), "", "acp"),
        (both(), "acp", "acp"),
        (both(prefer=True), "print", "print"),
    ],
)
def test_an_agent_is_driven_as_it_asks_else_as_suits_its_cli(
    tmp_path: Path, entry: Spec, drive: str, driven: str
) -> None:
    drivers = Drivers({"fake": entry}, OPERATOR, NoSandbox(), FixedClock())
    leash = PaperLeash()
    turned = drivers.turn(agent("edit", drive=drive), Brief("p", 1, "", POLICY), place_in(tmp_path), leash)
    assert isinstance(turned, Turned)
    assert turned.message == ("Done." if driven == "acp" else "")
    assert leash.output() == ("" if driven == "acp" else "headless")
    assert drivers.health(agent("edit", drive=drive)) == (True, "")


def test_a_way_that_the_cli_does_not_have_is_a_missing_agent(tmp_path: Path) -> None:
    for entry, drive in ((both(headless=False), "print"), (both().model_copy(update={"acp": None}), "acp")):
        drivers = Drivers({"fake": entry}, OPERATOR, NoSandbox(), FixedClock())
        tried = drivers.turn(agent("edit", drive=drive), Brief("p", 1), place_in(tmp_path), PaperLeash())
        assert isinstance(tried, Tried)
        assert tried.failure is Failure.AGENT_MISSING


def test_an_agent_whose_adapter_is_not_there_is_not_healthy() -> None:
    entry = Spec(
        id="fake", name="Fake", detect=Detect(bin=(sys.executable,), version_argv=()), acp=Acp(argv=("no-adapter",))
    )
    healthy, why = Drivers({"fake": entry}, OPERATOR, NoSandbox(), FixedClock()).health(agent("edit"))
    assert (healthy, "no program `no-adapter`" in why) == (False, True)


def test_a_model_on_the_command_line_needs_its_place() -> None:
    for wrong in (
        {"model": "argv"},
        {"model_argv": ("-m", "{model}"), "argv": ("{bin}", "{*model}")},
        {"argv": ("{who}",)},
    ):
        with pytest.raises(ValueError, match=r"model = |unknown placeholder"):
            Acp.model_validate({"argv": ("{bin}",), **wrong})


def test_messages_are_cut_out_of_bytes_of_any_shape() -> None:
    frames = Frames(max_bytes=10)
    pieces = [b'{"a":', b"1}\r\n\n  \n", b"x" * 25, b'\n{"b":2}', b"\n[1]\n{", b"}"]
    got = [frame for piece in pieces for frame in frames.feed(piece)] + list(frames.close())
    assert [(frame.message, frame.cut) for frame in got] == [
        ({"a": 1}, 0),
        (None, 15),
        ({"b": 2}, 0),
        (None, 0),
        ({}, 0),
    ]


def test_deep_json_is_no_message() -> None:
    assert next(iter(Frames().feed(b'{"a":' + b"[" * 200_000 + b"\n"))).message is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RpcError(-32603, "Internal error", {"details": "429"}), '{"details": "429"}'),
        (RpcError(-32603, "Internal error"), "Internal error"),
        (RpcError(-1, "slow down", "for an hour"), "slow down for an hour"),
    ],
)
def test_an_errors_words_leave_out_what_says_nothing(error: RpcError, words: str) -> None:
    assert error.words == words


def test_an_agent_made_with_the_protocols_own_library_is_driven_too(tmp_path: Path) -> None:
    code = (
        "import asyncio, acp\n"
        "class Agent(acp.Agent):\n"
        "    def on_connect(self, conn): self.conn = conn\n"
        "    async def initialize(self, protocol_version, **kw): return acp.InitializeResponse(protocol_version=protocol_version)\n"
        "    async def new_session(self, cwd, **kw):\n"
        "        self.cwd = cwd\n"
        "        return acp.NewSessionResponse(session_id='lib')\n"
        "    async def prompt(self, prompt, session_id, **kw):\n"
        "        await self.conn.write_text_file(session_id=session_id, path=self.cwd + '/app.py', content='fixed')\n"
        "        await self.conn.session_update(session_id, acp.update_agent_message_text('by the book'))\n"
        "        return acp.PromptResponse(stop_reason='end_turn')\n"
        "asyncio.run(acp.run_agent(Agent()))\n"
    )
    ran = go(tmp_path, "-", of=spec(argv=("{bin}", "-c", code)))
    assert (ran.turned.message, ran.turned.session_id) == ("by the book", "lib")
    assert (ran.place.tree / "app.py").read_text() == "fixed"


@pytest.mark.parametrize("entry", [each for each in CATALOG.values() if each.acp], ids=lambda each: each.id)
@pytest.mark.parametrize("model", ["", "m-1"])
def test_every_entrys_server_is_started_by_words_that_are_filled_in(entry: Spec, model: str) -> None:
    assert entry.acp is not None
    words = {"bin": "/bin/it", "model": model, "cwd": "/tree", "folder": "/run"}
    argv = acp_command_line(entry.acp, agent("--own", model=model), words)
    assert all(argv)
    assert not [word for word in argv if "{" in word]
    assert ("--own" in argv) is ("{*extra}" in entry.acp.argv)
    assert argv[0] == "/bin/it" or missing_server(entry, "/nowhere")
