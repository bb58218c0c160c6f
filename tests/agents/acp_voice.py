"""How the agent that plays badly speaks: lines of JSON, no library; what it hears goes to the file that ACP_SEEN names."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

Json = dict[str, Any]
SESSION = "s-1"


class Place:
    """Where it stands: the folder, the prompt that it owes an answer."""

    cwd = "/"
    prompt: Any = None
    session = SESSION


def out(node: Json | str) -> None:
    text = node if isinstance(node, str) else json.dumps({"jsonrpc": "2.0", **node})
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def read() -> Json:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    if seen := os.environ.get("ACP_SEEN"):
        with open(seen, "a", encoding="utf-8") as file:
            file.write(line)
    node: Json = json.loads(line)
    return node


def ask(method: str, number: int | str = "q-1", **params: Any) -> Json:
    """Ask the client and return its whole answer."""
    out({"id": number, "method": method, "params": {"sessionId": Place.session, **params}})
    while True:
        node = read()
        if node.get("id") == number and "method" not in node:
            return node


def update(what: str, session: str = "", /, **fields: Any) -> None:
    out(
        {
            "method": "session/update",
            "params": {"sessionId": session or Place.session, "update": {"sessionUpdate": what, **fields}},
        }
    )


def say(text: str, kind: str = "agent_message_chunk", session: str = "") -> None:
    update(kind, session, content={"type": "text", "text": text})


def write(path: str, text: str = "fixed\n") -> Json:
    answer = ask("fs/write_text_file", path=path, content=text)
    say(json.dumps(answer))
    return answer


calls: list[str] = []


def permission(
    kind: str, options: tuple[str, ...] = ("allow_always", "allow_once", "reject_once"), **call: Any
) -> bool:
    """Ask for leave to do something and say what the answer was; whether it was granted."""
    calls.append(kind)
    offered = [{"optionId": f"o-{each}", "name": each, "kind": each} for each in options]
    answer = ask(
        "session/request_permission", toolCall={"toolCallId": f"c-{len(calls)}", "kind": kind, **call}, options=offered
    )
    outcome = answer["result"]["outcome"] if "result" in answer else answer["error"]
    say(str(outcome.get("optionId") or outcome.get("outcome") or outcome))
    return str(outcome.get("optionId", "")).startswith("o-allow")
