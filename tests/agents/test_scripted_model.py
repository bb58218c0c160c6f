from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from loopy.agents.scripted.server import ModelServer

WRITE = {"type": "object", "properties": {"file_path": {"type": "string"}, "content": {"type": "string"}}}
SHELL = {"type": "object", "properties": {"command": {"type": "string"}}}
CALLED = {"file_path": "NOTES.md", "content": "hello from the scripted model\n"}


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


def offered(wire: str) -> list[dict[str, Any]]:
    tools = [("write_file", WRITE), ("bash", SHELL)]
    if wire == "anthropic":
        return [{"name": name, "input_schema": schema} for name, schema in tools]
    if wire == "chat":
        return [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in tools]
    if wire == "responses":
        return [{"type": "function", "name": name, "parameters": schema} for name, schema in tools]
    return [{"functionDeclarations": [{"name": name, "parameters": schema} for name, schema in tools]}]


PATHS = {
    "anthropic": "/v1/messages",
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "gemini": "/v1beta/models/m:generateContent",
}


def called(wire: str, reply: dict[str, Any]) -> Any:
    if wire == "anthropic":
        return reply["content"][1]["input"]
    if wire == "chat":
        return json.loads(reply["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    if wire == "responses":
        return json.loads(reply["output"][1]["arguments"])
    return reply["candidates"][0]["content"]["parts"][1]["functionCall"]["args"]


@pytest.mark.parametrize("wire", sorted(PATHS))
def test_the_first_step_calls_the_write_tool_on_every_wire(model: ModelServer, wire: str) -> None:
    got = httpx.post(model.url("ok") + PATHS[wire], json={"tools": offered(wire)})
    assert got.status_code == 200
    assert called(wire, got.json()) == CALLED


@pytest.mark.parametrize("wire", ["anthropic", "chat", "responses"])
def test_a_stream_is_made_of_events(model: ModelServer, wire: str) -> None:
    whole = httpx.post(model.url("ok") + PATHS[wire], json={"tools": offered(wire), "stream": True}).text
    cut = httpx.post(model.url("cut") + PATHS[wire], json={"tools": offered(wire), "stream": True}).text
    assert whole.count("data: ") > 4
    assert cut.count("data: ") == 1


@pytest.mark.parametrize("wire", sorted(PATHS))
@pytest.mark.parametrize("scenario", ["rate", "usage", "quota", "auth", "forbidden", "overflow", "overload", "server"])
def test_every_refusal_is_an_error_on_every_wire(model: ModelServer, wire: str, scenario: str) -> None:
    got = httpx.post(model.url(scenario) + PATHS[wire], json={})
    assert got.status_code >= 400
    assert "error" in got.json()


def test_a_short_limit_passes_and_a_later_one_comes(model: ModelServer) -> None:
    path = PATHS["anthropic"]
    assert [httpx.post(model.url("rate1", "once") + path, json={}).status_code for _ in range(2)] == [429, 200]
    after = {"messages": [{"content": [{"type": "tool_result"}]}]}
    assert [httpx.post(model.url("usage2") + path, json=body).status_code for body in ({}, after)] == [200, 429]


def test_what_was_asked_is_known(model: ModelServer) -> None:
    httpx.post(model.url("chat", "seen") + PATHS["chat"], json={"tools": offered("chat")})
    seen = [one for one in model.asked if one.tag == "seen"]
    assert [(one.scenario, one.step, one.tools) for one in seen] == [("chat", 0, ("write_file", "bash"))]


def test_a_tool_that_writes_whole_files_is_taken_before_one_that_edits(model: ModelServer) -> None:
    edit = {"type": "object", "properties": {"path": {"type": "string"}, "old_string": {}, "new_string": {}}}
    tools = [{"type": "function", "function": {"name": "edit_file", "parameters": edit}}, *offered("chat")]
    got = httpx.post(model.url("ok", "edit") + PATHS["chat"], json={"tools": tools}).json()
    assert got["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "write_file"
