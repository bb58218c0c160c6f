"""The wires of model providers: how each reads a request and writes a reply, whole or as a stream of events."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any, Protocol

from loopy.agents.scripted.tools import Call, Tool

Json = dict[str, Any]
Event = tuple[str | None, Json | str]
Reply = tuple[Json, list[Event]]  # whole, and as a stream
BUSY = "I will do that."
numbers: Iterator[int] = itertools.count(1)


class Wire(Protocol):
    """One wire."""

    family: str

    def tools(self, body: Json) -> list[Tool]:
        """Return the tools that the request offers."""
        ...

    def step(self, body: Json) -> int:
        """Return how many results of tools the request holds: the step that is asked for."""
        ...

    def reply(self, body: Json, call: Call | None, final: str) -> Reply:
        """Return the reply, whole and as a stream: the call, or the last words where there is none."""
        ...


class Anthropic:
    """Anthropic Messages."""

    family = "anthropic"

    def tools(self, body: Json) -> list[Tool]:
        """Return the tools that the request offers."""
        return [Tool(t["name"], t.get("input_schema") or {}) for t in body.get("tools") or [] if t.get("name")]

    def step(self, body: Json) -> int:
        """Return the step that is asked for."""
        parts = [m["content"] for m in body.get("messages", []) if isinstance(m.get("content"), list)]
        return sum(part.get("type") == "tool_result" for content in parts for part in content)

    def reply(self, body: Json, call: Call | None, final: str) -> Reply:
        """Return the reply, whole and as a stream."""
        number = next(numbers)
        blocks: list[Json] = [{"type": "text", "text": BUSY if call else final}]
        if call:
            blocks.append({"type": "tool_use", "id": f"toolu_{number}", "name": call.name, "input": call.arguments})
        usage = {
            "input_tokens": 1000 + number,
            "output_tokens": 40,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        whole = {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": body.get("model", "scripted"),
            "content": blocks,
            "stop_reason": "tool_use" if call else "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
        start = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        events: list[Json] = [{"type": "message_start", "message": start}]
        for index, block in enumerate(blocks):
            events += self._block(index, block)
        end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 40}}, {"type": "message_stop"}]
        return whole, [(event["type"], event) for event in events]

    def _block(self, index: int, block: Json) -> list[Json]:
        if block["type"] == "text":
            empty: Json = {"type": "text", "text": ""}
            delta: Json = {"type": "text_delta", "text": block["text"]}
        else:
            empty = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        return [
            {"type": "content_block_start", "index": index, "content_block": empty},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]


class Chat:
    """OpenAI Chat Completions."""

    family = "openai"

    def tools(self, body: Json) -> list[Tool]:
        """Return the tools that the request offers."""
        offered = [t["function"] for t in body.get("tools") or [] if t.get("function")]
        return [Tool(f["name"], f.get("parameters") or {}) for f in offered]

    def step(self, body: Json) -> int:
        """Return the step that is asked for."""
        return sum(message.get("role") == "tool" for message in body.get("messages", []))

    def reply(self, body: Json, call: Call | None, final: str) -> Reply:
        """Return the reply, whole and as a stream."""
        number = next(numbers)
        usage = {"prompt_tokens": 1000 + number, "completion_tokens": 40, "total_tokens": 1040 + number}
        message: Json = {"role": "assistant", "content": BUSY if call else final}
        if call:
            function = {"name": call.name, "arguments": json.dumps(call.arguments)}
            message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
        reason = "tool_calls" if call else "stop"
        base = {"id": f"chatcmpl-{number}", "created": int(time.time()), "model": body.get("model", "scripted")}
        choice = {"index": 0, "message": message, "finish_reason": reason}
        whole = {**base, "object": "chat.completion", "choices": [choice], "usage": usage}

        def chunk(delta: Json, finish: str | None = None) -> Event:
            part = {"index": 0, "delta": delta, "finish_reason": finish}
            return None, {**base, "object": "chat.completion.chunk", "choices": [part]}

        calls = [{"index": 0, **one} for one in message.get("tool_calls", [])]
        events = [chunk({"role": "assistant", "content": ""}), chunk({"content": message["content"]})]
        events += [chunk({"tool_calls": calls})] if calls else []
        last = {**base, "object": "chat.completion.chunk", "choices": [], "usage": usage}
        return whole, [*events, chunk({}, reason), (None, last), (None, "[DONE]")]


class Responses:
    """OpenAI Responses."""

    family = "openai"

    def tools(self, body: Json) -> list[Tool]:
        """Return the tools that the request offers."""
        return [
            Tool(t.get("name") or t.get("type") or "", t.get("parameters") or {}, t.get("type") == "custom")
            for t in body.get("tools") or []
        ]

    def step(self, body: Json) -> int:
        """Return the step that is asked for."""
        items = body.get("input")
        return sum(str(i.get("type", "")).endswith("_call_output") for i in items) if isinstance(items, list) else 0

    def reply(self, body: Json, call: Call | None, final: str) -> Reply:
        """Return the reply, whole and as a stream."""
        number = next(numbers)
        items = [self._message(number, BUSY if call else final), *([self._call(number, call)] if call else [])]
        whole: Json = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "completed",
            "model": body.get("model", "scripted"),
            "output": items,
            "usage": {
                "input_tokens": 1000 + number,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": 40,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 1040 + number,
            },
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": False,
            "tools": [],
            "tool_choice": "auto",
            "metadata": {},
        }
        events: list[Json] = [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}}
        ]
        for index, item in enumerate(items):
            events += self._item(index, item)
        events.append({"type": "response.completed", "response": whole})
        return whole, [(e["type"], {**e, "sequence_number": number}) for number, e in enumerate(events)]

    def _message(self, number: int, text: str) -> Json:
        part = {"type": "output_text", "text": text, "annotations": []}
        return {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }

    def _call(self, number: int, call: Call) -> Json:
        base = {"status": "completed", "call_id": f"call_{number}", "name": call.name}
        if call.free_form:
            return {"id": f"ctc_{number}", "type": "custom_tool_call", "input": call.arguments, **base}
        return {"id": f"fc_{number}", "type": "function_call", "arguments": json.dumps(call.arguments), **base}

    def _item(self, index: int, item: Json) -> list[Json]:
        at = {"item_id": item["id"], "output_index": index}
        empties: dict[str, Json] = {"message": {"content": []}, "function_call": {"arguments": ""}}
        empty = empties.get(item["type"], {"input": ""})
        events: list[Json] = []
        if item["type"] == "message":
            part = item["content"][0]
            here = {**at, "content_index": 0}
            events = [
                {"type": "response.content_part.added", "part": {**part, "text": ""}, **here},
                {"type": "response.output_text.delta", "delta": part["text"], **here},
                {"type": "response.output_text.done", "text": part["text"], **here},
                {"type": "response.content_part.done", "part": part, **here},
            ]
        elif item["type"] == "function_call":
            events = [
                {"type": "response.function_call_arguments.delta", "delta": item["arguments"], **at},
                {"type": "response.function_call_arguments.done", "arguments": item["arguments"], **at},
            ]
        return [
            {
                "type": "response.output_item.added",
                "output_index": index,
                "item": {**item, **empty, "status": "in_progress"},
            },
            *events,
            {"type": "response.output_item.done", "output_index": index, "item": item},
        ]


class Gemini:
    """Gemini generateContent."""

    family = "gemini"

    def tools(self, body: Json) -> list[Tool]:
        """Return the tools that the request offers."""
        offered = [
            one
            for group in body.get("tools") or []
            for one in group.get("functionDeclarations") or group.get("function_declarations") or []
        ]
        return [Tool(f["name"], lowered(f.get("parametersJsonSchema") or f.get("parameters") or {})) for f in offered]

    def step(self, body: Json) -> int:
        """Return the step that is asked for."""
        return sum("functionResponse" in part for c in body.get("contents", []) for part in c.get("parts", []))

    def reply(self, body: Json, call: Call | None, final: str) -> Reply:
        """Return the reply, whole and as a stream."""
        del body
        number = next(numbers)
        parts: list[Json] = [{"text": BUSY if call else final}]
        if call:
            parts.append({"functionCall": {"id": f"call_{number}", "name": call.name, "args": call.arguments}})
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        usage = {"promptTokenCount": 1000 + number, "candidatesTokenCount": 40, "totalTokenCount": 1040 + number}
        whole = {
            "candidates": [candidate],
            "usageMetadata": usage,
            "modelVersion": "scripted",
            "responseId": f"r{number}",
        }
        return whole, [(None, whole)]


def lowered(schema: Any) -> Any:
    """Return the schema with its types in lower case, as JSON Schema has them."""
    if isinstance(schema, list):
        return [lowered(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else lowered(value)
        for key, value in schema.items()
    }
