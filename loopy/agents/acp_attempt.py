"""One attempt over the Agent Client Protocol: our end of the conversation, and what the agent may ask of us meanwhile."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

from loopy.agents.acp_policy import ALLOW, REJECT, Request, Rules, chosen, request
from loopy.agents.acp_talk import CANCELLED, REFUSED, TOO_LONG, Talk
from loopy.agents.acp_tree import ForbiddenError, Tree
from loopy.agents.acp_wire import (
    BAD_PARAMS,
    INTERNAL,
    INVALID,
    NO_METHOD,
    NOT_FOUND,
    Frame,
    Frames,
    Json,
    Peer,
    RpcError,
)
from loopy.agents.attempt import Attempt
from loopy.agents.catalogue import dialects
from loopy.agents.judge import DEAF, FINISHED, last_words
from loopy.agents.launch import READERS
from loopy.agents.limits import Verdict, classify
from loopy.agents.reading import Emitted
from loopy.agents.rules import Channel
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.domain.agent import Agent
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.domain.policy import Finding
from loopy.ports import Brief, Clock, Leash, Workspace
from loopy.process.command import Ending, Exit
from loopy.process.outbox import Outbox
from loopy.process.text import plain

CANCEL_S = 5.0  # six agents ended a turn 9 to 340 ms after a cancel
HANG_UP_S = 3.0  # what a server gets to end by itself when its input has ended
CALLS = 1000  # tool calls that are remembered
NOISE_CHARS = 65_536
Updates = OrderedDict[str, Request]


class AcpAttempt(Attempt):
    """The receiving end of one server of the protocol, and our voice in it."""

    duplex = True

    def __init__(
        self,
        spec: Spec,
        agent: Agent,
        brief: Brief,
        place: Workspace,
        leash: Leash,
        clock: Clock,
        transcript: Transcript,
        stream: LiveStream,
    ) -> None:
        super().__init__(spec, agent, leash, clock, transcript, stream, dialects()["acp"].event)
        self._reads_only = agent.kind in READERS
        self._rules = Rules(brief.policy, place.tree, place.folder, self._reads_only)
        self._tree = Tree(place.tree, self._rules.denied)
        self._talk = Talk(spec, agent, brief.prompt, brief.session_id, place.tree, stream.add)
        self._frames, self._calls = Frames(), Updates()
        self._files: set[str] = set()  # of the tool call at hand
        self._peer: Peer | None = None
        self._over_at: float | None = None
        self._cancelled_for, self._cancelled_at = "", 0.0

    # ---- what the process does ----

    def opened(self, pipe: Outbox) -> None:
        """Begin the conversation."""
        self._peer = Peer(pipe, self._talk.steps(reads_only=self._reads_only), self._serve)
        self._peer.begin()

    def output(self, stream: Literal["stdout", "stderr"], chunk: bytes) -> None:
        """Take in a piece of output."""
        if stream == "stderr":
            super().output(stream, chunk)
            return
        self._active = self._clock.awake()
        self._transcript.add(stream, chunk)
        for frame in self._frames.feed(chunk):
            self._take(frame)
        self._stream.tick()

    def close(self) -> None:
        """Read what is left and send what waits."""
        for frame in self._frames.close():
            self._take(frame)
        super().close()

    def _lets_finish(self, asked: str) -> bool:
        """Ask the agent to end its turn, and give it a moment, unless the claim is lost."""
        if asked == "lost" or self._peer is None or self._peer.over or not self._talk.prompted:
            return False
        if not self._cancelled_for:
            self._cancelled_for, self._cancelled_at = asked, self._clock.awake()
            self._peer.notify("session/cancel", {"sessionId": self._talk.session_id})
        return self._clock.awake() - self._cancelled_at < CANCEL_S

    def _own_reason(self) -> str:
        if self._peer is not None and self._peer.deaf:
            return DEAF
        if self._over_at is not None:
            return FINISHED if self._clock.awake() - self._over_at > HANG_UP_S else ""
        return super()._own_reason()

    # ---- what the agent says ----

    def _take(self, frame: Frame) -> None:
        node, peer = frame.message, self._peer
        if node is None or peer is None:
            self._noise(frame)
            return
        if node.get("method") == "session/update":
            self._updated(node)
        elif self._talk.prompted and peer.awaits(node) and isinstance(node.get("result"), dict):
            self._pass_on(self.reading.parsed({"result": node["result"]}))
        peer.take(node)
        self._note()

    def _note(self) -> None:
        """Keep what the conversation came to, and end it when it is over."""
        talk, peer = self._talk, self._peer
        self.reading.session_id, self.reading.model, self.reading.version = talk.session_id, talk.model, talk.version
        if peer is not None and peer.over and self._over_at is None:
            if peer.error is not None:
                said = {"code": peer.error.code or None, "text": peer.error.words}
                self._pass_on(self.reading.parsed({"error": said}))
            self._over_at = self._clock.awake()
            peer.hang_up()

    def _noise(self, frame: Frame) -> None:
        """Take a line that is no message; a request that was too long is answered, so that the agent does not wait."""
        if frame.cut:
            text = f"[a message of {len(frame.line) + frame.cut:,} bytes is left out]"
            self._stream.add(StreamEvent("agent.output", text), "\n")
            if self._peer is not None and (number := frame.cut_request) is not None:
                self._peer.refuse(number, RpcError(INVALID, "the message is too long"))
            return
        for line in plain(frame.line[:NOISE_CHARS]).splitlines():
            self._pass_on(self.reading.stdout(line))

    def _updated(self, node: Json) -> None:
        """Take news of our session; what comes before the prompt is history, and so is the cost that it has summed up."""
        params: Json = node["params"] if isinstance(node.get("params"), dict) else {}
        update, ours = params.get("update"), params.get("sessionId") == self._talk.session_id
        if not (self._talk.prompted and ours and isinstance(update, dict)):
            return
        if update.get("sessionUpdate") == "usage_update" and self._talk.resumed:
            return
        if isinstance(update.get("toolCallId"), str):
            self._known(update)
        self._pass_on(self.reading.parsed(node))

    def _pass_on(self, events: Iterator[Emitted]) -> None:
        """Name files as they stand in the tree, and once in a tool call, however often the agent and we tell of them."""
        super()._pass_on(filter(None, map(self._placed, events)))

    def _placed(self, emitted: Emitted) -> Emitted | None:
        event, joint = emitted
        if event.name == "agent.tool":
            self._files.clear()
        if event.name != "agent.file":
            return emitted
        path = self._rules.shown(event.text)
        if path in self._files:
            return None
        self._files.add(path)
        return StreamEvent(event.name, path, event.facts), joint

    def _known(self, call: dict[str, Any]) -> Request:
        """Return all that was said of a tool call so far."""
        key = call["toolCallId"]
        self._calls[key] = self._calls.pop(key, Request()).and_then(request(call))
        if len(self._calls) > CALLS:
            self._calls.popitem(last=False)
        return self._calls[key]

    # ---- what the agent asks ----

    def _serve(self, method: str, params: Json) -> Json:
        try:
            match method:
                case "session/request_permission":
                    return {"outcome": self._permission(params)}
                case "fs/read_text_file":
                    return {"content": self._read_file(params)}
                case "fs/write_text_file":
                    return self._write_file(params)
        except ForbiddenError as error:
            self._refused(error.finding, "file")
            raise RpcError(BAD_PARAMS, str(error)) from None
        except FileNotFoundError:
            raise RpcError(NOT_FOUND, "Resource not found", {"uri": str(params.get("path"))}) from None
        raise RpcError(NO_METHOD, f"Method not found: {method[:80]}")

    def _permission(self, params: Json) -> Json:
        from acp.schema import RequestPermissionRequest

        asked = RequestPermissionRequest.model_validate(params)
        call = asked.tool_call.model_dump(mode="json", by_alias=True, exclude_none=True)
        if call["toolCallId"] not in self._calls:  # some tell of a call only by asking
            told = {"sessionUpdate": "tool_call", **call, "status": None}
            self._pass_on(self.reading.parsed({"method": "session/update", "params": {"update": told}}))
        known = self._known(call)
        if self._cancelled_for:
            return {"outcome": "cancelled"}
        refused = self._rules.refusal(known)
        if refused is not None:
            self._refused(refused, known.kind)
        options = [option.model_dump(mode="json", by_alias=True) for option in asked.options]
        option = chosen(options, ALLOW if refused is None else REJECT)
        return {"outcome": "cancelled"} if option is None else {"outcome": "selected", "optionId": option}

    def _read_file(self, params: Json) -> str:
        from acp.schema import ReadTextFileRequest

        asked = ReadTextFileRequest.model_validate(params)
        return self._tree.read(asked.path, asked.line, asked.limit)

    def _write_file(self, params: Json) -> Json:
        from acp.schema import WriteTextFileRequest

        asked = WriteTextFileRequest.model_validate(params)
        if self._reads_only:
            raise ForbiddenError("read-only", asked.path[:500], "this agent only reads")
        if not self._leash.authorised():  # it is we who act here, not the guard: look as the guard does (rule 9)
            raise RpcError(INTERNAL, "the claim is not ours any more")
        path = self._tree.write(asked.path, asked.content)
        self.reading.worked = True
        self._pass_on(iter([(StreamEvent("agent.file", path, {"kind": "edit"}), None)]))
        return {}

    def _refused(self, finding: Finding, kind: str) -> None:
        text = f"refused by policy: {finding.rule}: {finding.path or kind} ({finding.why})"
        facts = {"tool": kind, "phase": "refused", "rule": finding.rule}
        self._stream.add(StreamEvent("agent.tool", text, facts))

    # ---- what it came to ----

    @property
    def session_refused(self) -> bool:
        """Always false: a session that is not known begins anew within the conversation."""
        return False

    def stopped_by_leash(self, ended: Exit) -> str:
        """Return the leash's word for which the turn was cancelled or ended."""
        return self._cancelled_for or super().stopped_by_leash(ended)

    def verdict(self, ended: Exit) -> Verdict | None:
        """Return what stopped the attempt: what the protocol states, else as for every CLI; no answer is a crash."""
        if self._talk.verdict is not None:
            return self._talk.verdict
        by_itself = ended.ending in {Ending.EXITED, Ending.SIGNALLED}
        answered = self._peer is not None and self._peer.over
        if answered and by_itself:
            ended = Exit(Ending.EXITED)  # how a server ends that was told to is no news
        elif by_itself:
            self.reading.failed = True
        found = super().verdict(ended)
        if by_itself and (found is None or found.failure is Failure.AGENT_CRASH):
            return self._by_answer(ended, answered=answered) or found
        return found

    def _by_answer(self, ended: Exit, *, answered: bool) -> Verdict | None:
        reading, last = self.reading, last_words(self.reading)
        if not answered:
            how = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
            return Verdict(Failure.AGENT_CRASH, f"it ended in the middle of its turn, with {how}{last}")
        match self._talk.stop_reason:
            case reason if reason == CANCELLED:
                return Verdict(Failure.AGENT_CRASH, f"its turn was cancelled, which nobody asked for{last}")
            case reason if reason == TOO_LONG:
                return Verdict(Failure.CONTEXT_OVERFLOW, "the model's tokens ran out in the middle of the turn")
            case reason if reason == REFUSED:
                return Verdict(Failure.AGENT_CRASH, "the model refused to go on")
        if reading.worked or self._reads_only:
            return None
        return self._by_words()

    def _by_words(self) -> Verdict | None:
        """Judge a turn that did nothing and was called an end: by stderr, and by rows for CLIs that say so in a message."""
        reading, now = self.reading, self._clock.now()
        texts = ((Channel.STDERR, reading.tail(Channel.STDERR)), (Channel.STDOUT, reading.message))
        found = next(filter(None, (classify(reading.rules, channel, text, now) for channel, text in texts)), None)
        if found is None and self._talk.stop_reason and not reading.message.strip():  # kimi 2.1.0, without credit
            return Verdict(Failure.AGENT_CRASH, "it ended its turn without a word or a deed")
        return found and replace(found, detail=f"{found.detail} (it did nothing, and called that an end)")
