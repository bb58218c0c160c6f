"""What the agent does when it is prompted; each scene returns the answer's result, None when it gives none."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping

from tests.agents.acp_voice import Json, Place, ask, out, permission, read, say, update, write


def edit(cwd: str) -> Json:
    say("Fix", "agent_thought_chunk")
    say("ing", "agent_thought_chunk")
    update("tool_call", toolCallId="t-1", title="Write app.py", kind="edit", status="pending")
    update("plan", entries=[{"content": "fix", "priority": "high", "status": "pending"}])
    with open(f"{cwd}/app.py", "w") as file:
        file.write("fixed\n")
    diff = {"type": "diff", "path": f"{cwd}/app.py", "oldText": "", "newText": "fixed\n"}
    update("tool_call_update", toolCallId="t-1", status="completed", content=[diff])
    update("usage_update", used=900, size=1000, cost={"amount": 0.25, "currency": "USD"})
    say("Do")
    say("ne.")
    usage = {"totalTokens": 17, "inputTokens": 10, "outputTokens": 4, "cachedReadTokens": 3}
    return {"stopReason": "end_turn", "usage": usage}


def through(cwd: str) -> Json:
    write(f"{cwd}/deep/er/app.py")
    say(ask("fs/read_text_file", path=f"{cwd}/deep/er/app.py")["result"]["content"])
    say(str(ask("fs/read_text_file", path=f"{cwd}/none.py")["error"]["code"]))
    return {"stopReason": "end_turn"}


def escapes(cwd: str) -> Json:
    os.symlink("/etc", f"{cwd}/link")
    os.symlink("/etc/hostname", f"{cwd}/name")
    paths = (f"{cwd}/link/passwd", f"{cwd}/name", f"{cwd}/../run/x", "/etc/passwd", f"{cwd}/.git/config", "", cwd)
    for path in paths:
        say(str(ask("fs/read_text_file", path=path)["error"]["message"]) + "\n")
        say(str(ask("fs/write_text_file", path=path, content="x")["error"]["message"]) + "\n")
    return {"stopReason": "end_turn"}


def denied(cwd: str) -> Json:
    for path in ("secrets/key", "./secrets//key", f"{cwd}/Secrets/key"):
        write(path if path.startswith("/") else f"{cwd}/{path}")
        permission("edit", locations=[{"path": path}])
    permission("edit", content=[{"type": "diff", "path": f"{cwd}/secrets/key", "oldText": "", "newText": "x"}])
    permission("other", rawInput={"patchText": "*** Begin Patch\n*** Update File: secrets/key\n+x\n*** End Patch"})
    permission("execute", rawInput={"command": ["sh", "-c", "echo done. > 'secrets/key'"]})
    permission("edit", locations=[{"path": "/etc/hosts"}])
    return {"stopReason": "end_turn"}


def told_before(cwd: str) -> Json:
    update("tool_call", toolCallId="t-1", title="x", kind="edit", locations=[{"path": f"{cwd}/secrets/key"}])
    offered = [{"optionId": "no", "name": "no", "kind": "reject_always"}]
    answer = ask("session/request_permission", toolCall={"toolCallId": "t-1"}, options=offered)
    say(answer["result"]["outcome"].get("optionId", "cancelled"))
    return {"stopReason": "end_turn"}


def leave(cwd: str) -> Json:
    permission("edit", locations=[{"path": f"{cwd}/app.py"}])
    permission("execute", rawInput={"command": "python -m pytest tests/ && echo done."})
    permission("edit", locations=[{"path": f"{cwd}/conftest.py"}])
    permission("read", rawInput={"filePath": "/usr/include/stdio.h"})
    permission("edit", options=("reject_once",), locations=[{"path": "a"}])
    return {"stopReason": "end_turn"}


def reads(cwd: str) -> Json:
    for kind in ("edit", "execute", "delete", "switch_mode", "other", "read", "search"):
        permission(kind, title="x", locations=[{"path": f"{cwd}/app.py"}])
    write(f"{cwd}/app.py")
    return {"stopReason": "end_turn"}


def noise(cwd: str) -> Json:
    for line in (
        "",
        "Starting...",
        "{",
        '{"jsonrpc":',
        "[1,2]",
        "null",
        '"x"',
        '{"id": 999, "result": {}}',
        '{"id": []}',
    ):
        out(line)
    out({"id": {"no": 1}, "method": "session/request_permission", "params": "none"})
    out({"method": "session/update", "params": [1]})
    out({"method": "session/update", "params": {"sessionId": Place.session, "update": {"sessionUpdate": 7}}})
    update("from_the_future", content="?")
    update("agent_message_chunk", content=["what"])
    update("tool_call", toolCallId={"x": 1}, status=9, title=None)
    say("not ours", session="s-2")
    say(str(ask("terminal/create", command="ls")["error"]["code"]))
    say(str(ask("elicitation/create", message="?")["error"]["code"]))
    say(str(ask("fs/read_text_file", path=7)["error"]["code"]))
    say(str(ask("session/request_permission", toolCall="?")["error"]["code"]))
    say(str(ask("fs/write_text_file", path=f"{cwd}/\0", content="x")["error"]["code"]))
    say(str(ask("fs/write_text_file", path=f"{cwd}/x\ud800", content="x")["error"]["code"]))
    with open(f"{cwd}/plain", "w") as file:
        file.write("no folder")
    say(str(ask("fs/write_text_file", path=f"{cwd}/plain/x", content="x")["error"]["code"]))
    return {"stopReason": "end_turn"}


def large(cwd: str) -> Json:
    say("x" * 20_000_000)
    update(
        "tool_call", toolCallId="t-9", title="big", kind="edit", status="completed", rawInput={"text": "y" * 5_000_000}
    )
    say("after")
    return {"stopReason": "end_turn"}


def too_large(cwd: str) -> Json:
    say(str(ask("fs/write_text_file", path=f"{cwd}/big", content="x" * 40_000_000)["error"]["code"]))
    say(str(ask("fs/write_text_file", path=f"{cwd}/big", content="x" * 9_000_000)["error"]["code"]))
    return {"stopReason": "end_turn"}


def limited(cwd: str) -> None:
    data = {"details": "Rate limit: usage limit reached, try again in 2 hours"}
    out({"id": Place.prompt, "error": {"code": -32603, "message": "Internal error", "data": data}})


def own_code(cwd: str) -> None:
    out({"id": Place.prompt, "error": {"code": -31001, "message": "slow down"}})


def broken(cwd: str) -> None:
    out(
        {
            "id": Place.prompt,
            "error": {"code": -32603, "message": "Internal error", "data": {"details": "no such tool"}},
        }
    )


def silent_limit(cwd: str) -> Json:
    print("API call failed after 3 retries: 429 Too Many Requests", file=sys.stderr, flush=True)
    say("I could not reach the model.")
    return {"stopReason": "end_turn"}


def wordless(cwd: str) -> Json:
    return {"stopReason": "end_turn"}


def limit_as_message(cwd: str) -> Json:
    say("Error: 429 The usage limit has been reached")
    return {"stopReason": "end_turn"}


def logged_out(cwd: str) -> None:
    out({"id": Place.prompt, "error": {"code": -32000, "message": "Authentication required: 401"}})


def prose(cwd: str) -> Json:
    say("The usage limit of 429 requests is reached: now handled. Rate limit exceeded.")
    edit(cwd)
    return {"stopReason": "end_turn"}


def half(cwd: str) -> None:
    say("begun")
    sys.stdout.write('{"jsonrpc":"2.0","method":"session/upd')
    sys.stdout.flush()
    sys.exit(0)


def dies(cwd: str) -> None:
    edit(cwd)
    print("panic: out of ideas", file=sys.stderr, flush=True)
    sys.exit(int(os.environ.get("ACP_EXIT", "0")))


def hang(cwd: str) -> None:
    say("thinking")
    while True:
        node = read()
        if node.get("method") == "session/cancel":
            out({"id": Place.prompt, "result": {"stopReason": "cancelled"}})
            with open(f"{cwd}/cancelled", "w") as file:
                file.write(node["params"]["sessionId"])
            return


def deaf(cwd: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("thinking")
    while True:
        time.sleep(60)


def drowns(cwd: str) -> None:
    with open(f"{cwd}/large.txt", "w") as file:
        file.write("x" * 8_000_000)
    for number in range(30):
        out(
            {
                "id": f"r-{number}",
                "method": "fs/read_text_file",
                "params": {"sessionId": Place.session, "path": f"{cwd}/large.txt"},
            }
        )
    time.sleep(60)


def stubborn(cwd: str) -> Json:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return edit(cwd)


def stop(reason: str) -> Json:
    say("Error: 404")
    return {"stopReason": reason}


def talkative(cwd: str) -> Json:
    result = edit(cwd)
    out({"id": Place.prompt, "result": result})
    say("and another thing")
    sys.exit(3)


SCENES: Mapping[str, Callable[[str], Json | None]] = {
    scene.__name__: scene
    for scene in (
        through, escapes, denied, told_before, leave, reads, noise, large, too_large, limited, own_code, broken,
        silent_limit, wordless, limit_as_message, logged_out, prose, half, dies, hang, deaf, drowns, stubborn, talkative,
    )
}  # fmt: skip
