"""A handshake and no more: whether a CLI speaks the Agent Client Protocol, as whom, and how it wants to be logged in.

It costs no tokens and opens no session.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loopy.agents.acp_talk import VERSION, greeting
from loopy.agents.acp_wire import NO_METHOD, Frames, Json, Peer, RpcError, Steps
from loopy.agents.environment import Operator, allowed, with_homes
from loopy.agents.launch import acp_command_line, missing, missing_server, program
from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.errors import ProcessError
from loopy.process.capture import Clip
from loopy.process.command import Command, Ending, Exit
from loopy.process.outbox import Outbox
from loopy.process.runner import run
from loopy.process.text import plain

ANSWER_S = 60.0  # Python servers needed up to 18 s on a busy machine


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a server said of itself; `reason` says why it cannot be driven, "" when it can.

    `methods` are its ways to log in, by the id that an entry's `acp.authenticate` names, each with its name for people.
    """

    reason: str = ""
    protocol: int | None = None
    name: str = ""
    version: str = ""
    methods: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, Any] = field(default_factory=dict)


def initialize_only(spec: Spec, agent: Agent, operator: Operator, answer_s: float = ANSWER_S) -> Greeting:
    """Start the CLI as a server in a scratch home, shake hands, end it, and return what it said."""
    lacking = missing_server(spec, operator.env.get("PATH", ""))
    if spec.acp is None or lacking:
        return Greeting(lacking)
    found = program(spec, agent, operator.env.get("PATH", ""))
    if found is None:
        return Greeting(missing(spec, agent))
    with tempfile.TemporaryDirectory(prefix="loopy-hello-", ignore_cleanup_errors=True) as scratch:
        home, hello = Path(scratch), _Hello()
        env, _ = with_homes(spec, allowed(spec, agent, operator), home / "home", operator, agent.config_home)
        words = {"bin": found, "model": agent.model, "cwd": scratch, "folder": scratch}
        argv = acp_command_line(spec.acp, agent, words)
        command = Command(argv, home, env | {"TMPDIR": scratch}, answer_s, duplex=True, kill_grace_s=0.5)
        try:
            ended = run(command, on_output=hello.output, on_input=hello.opened, stopping=hello.stopping)
        except ProcessError as error:
            return Greeting(str(error))
        return hello.greeting(ended, answer_s)


class _Hello:
    """Our end of a conversation of one question."""

    def __init__(self) -> None:
        self._frames, self._noise = Frames(), Clip(0, 2000)
        self._peer: Peer | None = None
        self._said: Json | None = None

    def opened(self, pipe: Outbox) -> None:
        self._peer = Peer(pipe, self._steps(), _no)
        self._peer.begin()

    def output(self, stream: Literal["stdout", "stderr"], chunk: bytes) -> None:
        if stream == "stderr":
            self._noise.add(chunk)
            return
        for frame in self._frames.feed(chunk):
            node = frame.message
            if node is None:
                self._noise.add(frame.line[:2000] + b"\n")
            elif self._peer is not None:
                self._peer.take(node)

    def stopping(self) -> str | None:
        return "answered" if self._peer is not None and self._peer.over else None

    def greeting(self, ended: Exit, answer_s: float) -> Greeting:
        if self._said is None:
            return Greeting(self._why(ended, answer_s))
        said, info = self._said, _dict(self._said.get("agentInfo"))
        version = said.get("protocolVersion")
        listed = said.get("authMethods")
        methods = (method for method in (listed if isinstance(listed, list) else ()) if isinstance(method, dict))
        return Greeting(
            reason="" if version == VERSION else f"it speaks version {version} of the protocol, Loopy speaks {VERSION}",
            protocol=version if isinstance(version, int) else None,
            name=str(info.get("title") or info.get("name") or "")[:80],
            version=str(info.get("version") or "")[:80],
            methods={str(method.get("id"))[:200]: str(method.get("name") or "")[:200] for method in methods},
            capabilities=_dict(said.get("agentCapabilities")),
        )

    def _why(self, ended: Exit, answer_s: float) -> str:
        lines = plain(self._noise.kept()).strip().splitlines()
        last = f": {lines[-1][:300]}" if lines else ""
        if self._peer is not None and self._peer.error is not None:
            return f"it refused the handshake: {self._peer.error.words[:300]}"
        match ended.ending:
            case Ending.NOT_FOUND:
                return ended.why
            case Ending.DEADLINE:
                return f"it did not answer in {answer_s:.0f} s{last}"
        how = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
        return f"it ended before it answered, with {how}{last}"

    def _steps(self) -> Steps:
        self._said = yield greeting()


def _no(_method: str, _params: Json) -> Json:
    raise RpcError(NO_METHOD, "Method not found")


def _dict(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}
