"""The conversation of one turn over the Agent Client Protocol, in its order: greet, log in, open a session, set it up, prompt."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

import loopy
from loopy.agents.acp_wire import AUTH_REQUIRED, Ask, Json, RpcError, Steps
from loopy.agents.limits import Verdict
from loopy.agents.spec import Acp, Spec
from loopy.domain.agent import Agent
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure

VERSION = 1  # of the protocol
CANCELLED, TOO_LONG, REFUSED = "cancelled", "max_tokens", "refusal"


def greeting(*, reads: bool = False, writes: bool = False) -> Ask:
    """Return the first question: whether files may be read and written through us. Terminals are not offered."""
    fs = {"readTextFile": reads, "writeTextFile": writes}
    return Ask(
        "initialize",
        {
            "protocolVersion": VERSION,
            "clientCapabilities": {"fs": fs, "terminal": False},
            "clientInfo": {"name": "loopy", "title": "Loopy", "version": loopy.__version__},
        },
    )


class Talk:
    """One conversation; what it came to stands in its fields.

    `verdict` is a failure that the protocol itself states. Updates before `prompted` are history, replayed.
    """

    def __init__(
        self, spec: Spec, agent: Agent, prompt: str, session_id: str, cwd: Path, note: Callable[[StreamEvent], None]
    ) -> None:
        assert spec.acp is not None
        self._spec, self._acp, self._agent = spec, spec.acp, agent
        self._prompt, self._cwd, self._note = prompt, cwd, note
        self.session_id, self.model, self.version = session_id, "", ""
        self.prompted = self.resumed = False
        self.stop_reason = ""
        self.verdict: Verdict | None = None

    def steps(self, *, reads_only: bool) -> Steps:
        """Hold the conversation; an RpcError that rises from here ended it."""
        try:
            yield from self._held(reads_only=reads_only)
        except RpcError as error:
            if error.code == AUTH_REQUIRED:
                self.verdict = Verdict(Failure.AUTH, f"{error.words or 'not logged in'}{self._hint()}"[:500])
            raise

    def _held(self, *, reads_only: bool) -> Steps:
        through_us = self._acp.client_fs
        hello = yield greeting(reads=through_us, writes=through_us and not reads_only)
        if hello.get("protocolVersion") != VERSION:
            said = f"{self._spec.name} speaks version {hello.get('protocolVersion')} of the protocol, Loopy speaks {VERSION}"
            self.verdict = Verdict(Failure.AGENT_MISSING, said)
            return
        self.version = str(_dict(hello.get("agentInfo")).get("version") or "")[:80]
        if self._acp.authenticate:
            yield Ask("authenticate", {"methodId": self._acp.authenticate})
        opened = yield from self._opened(_dict(hello.get("agentCapabilities")))
        self._note(StreamEvent("agent.started", "", {"session": self.session_id, "model": self._agent.model}))
        if self._agent.model:
            opened = yield from self._with_model(opened)
        if mode := self._acp.mode.get("read_only" if reads_only else "work", ""):
            yield from self._with_mode(opened, mode)
        self.prompted = True
        answer = yield Ask(
            "session/prompt", {"sessionId": self.session_id, "prompt": [{"type": "text", "text": self._prompt}]}
        )
        self.stop_reason = str(answer.get("stopReason"))[:80]

    def _hint(self) -> str:
        hint = self._spec.auth.login_hint
        return f"; log it in: {hint}" if hint else ""

    # ---- the session ----

    def _opened(self, able: Mapping[str, Any]) -> Generator[Ask, Json, Json]:
        """Open the session: the known one where the agent can, else a new one."""
        place = {"cwd": str(self._cwd.absolute()), "mcpServers": []}
        if old := self.session_id:
            method = _resume_method(self._acp, able)
            try:
                if method:
                    got = yield Ask(method, {"sessionId": old, **place})
                    self.resumed = True
                    return got
            except RpcError as error:
                if error.code == AUTH_REQUIRED:
                    raise
            if self._acp.load != "none":
                self._note(StreamEvent("step.progress", "the agent does not know its session; it starts anew"))
        self.session_id = ""
        got = yield Ask("session/new", place)
        if not isinstance(got.get("sessionId"), str):
            raise RpcError(0, "session/new was answered without a session")
        self.session_id = got["sessionId"]
        return got

    # ---- what it works with ----

    def _with_model(self, opened: Json) -> Generator[Ask, Json, Json]:
        """Have the session use the agent's model; a model that the CLI does not offer ends the turn."""
        wanted, way = self._agent.model, self._acp.model
        option, known = _option(opened, "model"), _models(opened)
        offered = list(_values(option)) if option else known
        if way in {"argv", "none"}:
            return opened
        if not offered:
            self._note(StreamEvent("step.progress", "the agent lets nobody choose its model; it uses its own"))
            return opened
        value = _meant(wanted, offered)
        if value is None:
            some = ", ".join(name for name, _ in offered[:12])
            self.verdict = Verdict(
                Failure.AGENT_MISSING, f"{self._spec.name} has no model {wanted!r}; it offers: {some}"
            )
            raise RpcError(0, self.verdict.detail)
        self.model = value
        if option and way == "config":
            if option.get("currentValue") == value:
                return opened
            got = yield self._set(option, value)
            return opened | got
        yield Ask("session/set_model", {"sessionId": self.session_id, "modelId": value})
        return opened

    def _with_mode(self, opened: Json, mode: str) -> Generator[Ask, Json, None]:
        """Have the session work in a mode of the CLI's own; without it the policy's answers and the gate still stand."""
        modes, option = _dict(opened.get("modes")), _option(opened, "mode")
        try:
            if any(each.get("id") == mode for each in _dicts(modes.get("availableModes"))):
                if modes.get("currentModeId") != mode:
                    yield Ask("session/set_mode", {"sessionId": self.session_id, "modeId": mode})
            elif option and mode in (name for name, _ in _values(option)):
                if option.get("currentValue") != mode:
                    yield self._set(option, mode)
            else:
                self._note(StreamEvent("step.progress", f"the agent has no mode {mode!r}"))
        except RpcError as error:
            self._note(StreamEvent("step.progress", f"the agent does not take the mode {mode!r}: {error.words[:200]}"))

    def _set(self, option: Mapping[str, Any], value: str) -> Ask:
        params = {"sessionId": self.session_id, "configId": option.get("id"), "value": value}
        return Ask("session/set_config_option", params)


def _resume_method(acp: Acp, able: Mapping[str, Any]) -> str:
    """Return the call that brings a session back, "" when entry or agent know none."""
    resumes = _dict(able.get("sessionCapabilities")).get("resume") is not None
    match acp.load:
        case "resume" if resumes:
            return "session/resume"
        case "load" if able.get("loadSession") is True:
            return "session/load"
    return ""


def _option(opened: Mapping[str, Any], category: str) -> Mapping[str, Any] | None:
    """Return the session's setting of this category; the older servers name it by its id only."""
    options = list(_dicts(opened.get("configOptions")))
    by_name = (
        o for key in ("category", "id") for o in options if o.get(key) == category and o.get("type") != "boolean"
    )
    return next(by_name, None)


def _values(option: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the values that a setting may have, each with its name for people; they may stand in groups."""
    for each in _dicts(option.get("options")):
        if isinstance(each.get("value"), str):
            yield each["value"], str(each.get("name"))
        else:
            yield from _values(each)


def _models(opened: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the models as servers listed them before the setting of category "model" came."""
    listed = _dicts(_dict(opened.get("models")).get("availableModels"))
    return [(each["modelId"], str(each.get("name"))) for each in listed if isinstance(each.get("modelId"), str)]


def _meant(wanted: str, offered: list[tuple[str, str]]) -> str | None:
    """Return the value that is meant: itself, else the only one of that name or that ends so after its provider."""
    if any(value == wanted for value, _ in offered):
        return wanted
    near = [value for value, name in offered if name == wanted or value.endswith(f"/{wanted}")]
    return near[0] if len(near) == 1 else None


def _dict(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _dicts(nodes: Any) -> Iterator[Mapping[str, Any]]:
    return (node for node in nodes if isinstance(node, dict)) if isinstance(nodes, list) else iter(())
