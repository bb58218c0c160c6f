"""The agent that plays badly, as a server of the Agent Client Protocol; its first argument names the scene."""

from __future__ import annotations

import sys
import time

from tests.agents.acp_scenes import SCENES, edit, stop
from tests.agents.acp_voice import Json, Place, out, read, say, update

scenario = sys.argv[1] if len(sys.argv) > 1 else "edit"


def prompted(cwd: str) -> Json | None:
    if scenario.startswith("stop-"):
        return stop(scenario.removeprefix("stop-"))
    result: Json | None = SCENES.get(scenario, edit)(cwd)
    if scenario == "stubborn":
        out({"id": Place.prompt, "result": result})
        time.sleep(60)
    return result


def opened(sid: str) -> Json:
    options = [{"value": "p/small", "name": "Small"}, {"value": "p/large", "name": "Large"}]
    groups = [{"group": "g", "name": "G", "options": options}]
    config = {
        "id": "m",
        "name": "Model",
        "category": "model",
        "type": "select",
        "currentValue": "p/small",
        "options": groups,
    }
    modes = {"currentModeId": "build", "availableModes": [{"id": "build", "name": "B"}, {"id": "plan", "name": "P"}]}
    old = {
        "currentModelId": "p/small",
        "availableModels": [{"modelId": "p/small", "name": "S"}, {"modelId": "p/large", "name": "L"}],
    }
    match scenario:
        case "old_models":
            return {"sessionId": sid, "models": old}
        case "no_models":
            return {"sessionId": sid}
    return {"sessionId": sid, "configOptions": [config], "modes": modes}


def refuse(node: Json, code: int, message: str, data: object = None) -> None:
    out({"id": node["id"], "error": {"code": code, "message": message, "data": data}})


def initialize() -> Json:
    if scenario == "mute":
        time.sleep(60)
    return {
        "protocolVersion": 2 if scenario == "future" else 1,
        "agentInfo": {"name": "fake", "version": "9.9.9"},
        "agentCapabilities": {"loadSession": scenario != "no_load", "sessionCapabilities": {"resume": {}}},
        "authMethods": [{"id": "key", "name": "Key"}],
    }


def resumed(node: Json, params: Json) -> Json | None:
    if scenario == "forgets":
        refuse(node, -32603, "Internal error", "no session " + params["sessionId"])
        return None
    Place.cwd, Place.session = params["cwd"], params["sessionId"]
    if node["method"] == "session/load":
        say("replayed: usage limit reached", "user_message_chunk")
        say("replayed answer")
        update("tool_call", toolCallId="t-0", title="old", kind="edit", status="pending")
        update("usage_update", used=1, size=2, cost={"amount": 9.0, "currency": "USD"})
    return {key: value for key, value in opened(Place.session).items() if key != "sessionId"}


def answer(node: Json) -> Json | None:
    """Return the result of a call, or None when it has answered itself."""
    params = node.get("params") or {}
    match node["method"]:
        case "initialize":
            return initialize()
        case "authenticate" if params.get("methodId") == "key":
            return {}
        case "session/new" if scenario != "log_in":
            Place.cwd = params["cwd"]
            return opened(Place.session)
        case "authenticate" | "session/new":
            refuse(node, -32000, "Authentication required")
        case "session/load" | "session/resume":
            return resumed(node, params)
        case "session/prompt":
            Place.prompt = node["id"]
            return prompted(Place.cwd)
        case "session/set_config_option" | "session/set_mode" | "session/set_model":
            return {}
    return None


def main() -> None:
    """Answer until the input ends."""
    while True:
        asked = read()
        result = answer(asked)
        if result is not None and "id" in asked:
            out({"id": asked["id"], "result": result})
