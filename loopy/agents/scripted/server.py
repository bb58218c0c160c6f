"""A scripted stand-in for a model provider: no model, loopback only; it drives real agent CLIs to a real edit.

It speaks Anthropic Messages, OpenAI Chat Completions and Responses, and Gemini generateContent, whole and streamed. The
URL picks the scenario, so one server serves tests side by side: `http://127.0.0.1:PORT/s/SCENARIO[/t-TAG]/...`.

Scenarios: ok (write NOTES.md, then fix app.py by a shell command, then a last message), chat, shell, write; rate (429,
two seconds), rate1 (once per tag, then ok), usage (a plan's limit with its reset times), usage2 (after the first step),
quota, auth, forbidden, overflow, overload, server, hang (until the server closes), cut (after the first event).
The step is the number of tool results in the request, so the server keeps no state of a conversation. Put
`[[cwd=/abs/path]]` into the prompt for tools that want absolute paths.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self

from loopy.agents.scripted.refusals import refusal
from loopy.agents.scripted.tools import call_for, final_text, submission
from loopy.agents.scripted.wires import Anthropic, Chat, Event, Gemini, Json, Responses, Wire

MODELS = ("gpt-5", "gpt-5-codex", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "scripted")
ROUTES: tuple[tuple[re.Pattern[str], Wire], ...] = (
    (re.compile(r"/messages$"), Anthropic()),
    (re.compile(r"/chat/completions$"), Chat()),
    (re.compile(r"/responses$"), Responses()),
    (re.compile(r":(?:stream)?[gG]enerateContent$"), Gemini()),
)
ADDRESS = re.compile(r"^/s/(?P<scenario>[a-z0-9]+)(?:/t-(?P<tag>[\w.-]+))?(?P<path>/.*)?$")


@dataclass(frozen=True)
class Asked:
    """A request that the server saw; `step` is -1 for one that no wire knows."""

    scenario: str
    tag: str
    method: str
    path: str
    step: int = -1
    tools: tuple[str, ...] = ()


class ModelServer:
    """The server as a context; `url(scenario)` is a base URL for a CLI, `asked` what it was asked so far."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()
        handler = type("Bound", (_Handler,), {"model": self})
        self._http = _Quiet(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def url(self, scenario: str, tag: str = "x") -> str:
        """Return the base URL of a scenario; requests of one tag are counted together."""
        return f"http://127.0.0.1:{self._http.server_port}/s/{scenario}/t-{tag}"

    def note(self, asked: Asked) -> int:
        """Keep the request and return how many model calls its scenario and tag have seen."""
        with self._lock:
            self.asked.append(asked)
            self._hits[f"{asked.scenario}/{asked.tag}"] += asked.step >= 0
            return self._hits[f"{asked.scenario}/{asked.tag}"]


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a CLI that was ended in the middle of a request."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: ClassVar[ModelServer]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        pass

    def do_HEAD(self) -> None:
        self._send(200, {})

    def do_GET(self) -> None:
        scenario, tag, path = self._address()
        self.model.note(Asked(scenario, tag, "GET", path))
        if path.endswith("/models"):
            names = [{"id": name, "object": "model", "type": "model", "display_name": name} for name in MODELS]
            self._send(200, {"object": "list", "data": names, "models": [{"name": f"models/{n}"} for n in MODELS]})
        else:
            self._send(404, {"error": {"message": f"not here: {path}", "type": "not_found", "code": 404}})

    def do_POST(self) -> None:
        scenario, tag, path = self._address()
        body = self._body()
        wire = next((wire for pattern, wire in ROUTES if pattern.search(path)), None)
        if wire is None:
            self.model.note(Asked(scenario, tag, "POST", path))
            counts = path.endswith(("/count_tokens", ":countTokens"))
            self._send(200 if counts else 404, {"input_tokens": 1000, "totalTokens": 1000} if counts else {"error": {}})
            return
        tools, step = wire.tools(body), wire.step(body)
        hits = self.model.note(Asked(scenario, tag, "POST", path, step, tuple(tool.name for tool in tools)))
        if scenario == "hang":
            self.model.closing.wait(600)
            return
        if refused := refusal(now_playing(scenario, hits, step), wire.family):
            self._send(refused[0], refused[2], refused[1])
            return
        text = json.dumps(body, ensure_ascii=False)
        cwd = re.search(r"\[\[cwd=([^\]\"\\]+)\]\]", text)
        call = call_for(scenario, tools, step, cwd[1] if cwd else "") or submission(text, tools)
        whole, events = wire.reply(body, call, final_text(text, has_tools=bool(tools)))
        if body.get("stream") or "streamGenerate" in path:
            self._stream(events[:1] if scenario == "cut" else events)
        else:
            self._send(200, whole)

    def _address(self) -> tuple[str, str, str]:
        path = self.path.partition("?")[0]
        found = ADDRESS.match(path)
        return (found["scenario"], found["tag"] or "", found["path"] or "/") if found else ("ok", "", path)

    def _body(self) -> Json:
        if "chunked" in (self.headers.get("transfer-encoding") or "").lower():
            raw = b"".join(iter(self._chunk, b""))
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        try:
            got = json.loads(raw or b"{}")
        except ValueError:
            return {}
        return got if isinstance(got, dict) else {}

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0] or b"0", 16)
        data = self.rfile.read(size)
        self.rfile.readline()
        return data

    def _send(self, status: int, payload: Json, headers: dict[str, str] | None = None) -> None:
        data = b"" if self.command == "HEAD" else json.dumps(payload).encode()
        self.send_response(status)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, events: list[Event]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        for name, event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            self.wfile.write((f"event: {name}\n" if name else "").encode() + f"data: {data}\n\n".encode())
            self.wfile.flush()


def now_playing(scenario: str, hits: int, step: int) -> str:
    """Return what a scenario that changes on the way plays now."""
    if scenario == "rate1":
        return "rate" if hits == 1 else "ok"
    if scenario == "usage2":
        return "usage" if step >= 1 else "ok"
    return scenario
