"""Streams of CLIs in the shapes recorded from the real ones; `{"...": ...}` a line, as the CLI prints them."""

from __future__ import annotations

import json
from typing import Any


def lines(*nodes: dict[str, Any]) -> str:
    return "".join(json.dumps(node) + "\n" for node in nodes)


def _assistant(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "assistant", "message": {"role": "assistant", "content": list(content)}, **more}


SESSION = "5b0c7a0e-7d53-4b7e-9f0a-0f6b6b1f3a11"
CLAUDE_INIT = {"type": "system", "subtype": "init", "session_id": SESSION, "model": "claude-sonnet-4-5", "tools": []}
CLAUDE_OK = lines(
    CLAUDE_INIT,
    _assistant({"type": "text", "text": "I will do that; a 429 or a usage limit is handled."}),
    _assistant({"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {"file_path": "NOTES.md"}}),
    {
        "type": "user",
        "message": {"content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "usage limit reached"}]},
        "tool_use_result": {"type": "create", "filePath": "/w/NOTES.md", "structuredPatch": []},
    },
    _assistant({"type": "text", "text": "Done."}),
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Done: add() now adds.",
        "session_id": SESSION,
        "total_cost_usd": 0.0123,
        "usage": {"input_tokens": 1000, "cache_read_input_tokens": 200, "output_tokens": 40},
    },
)
CLAUDE_LIMIT = lines(
    CLAUDE_INIT,
    {
        "type": "rate_limit_event",
        "rate_limit_info": {"status": "rejected", "resetsAt": 1795363200, "rateLimitType": "five_hour"},
    },
    _assistant({"type": "text", "text": "You've hit your limit · resets 3:51pm (UTC)"}, error="rate_limit"),
    {
        "type": "result",
        "subtype": "success",
        "is_error": True,
        "result": "You've hit your limit",
        "api_error_status": 429,
    },
)
CLAUDE_BILLING = lines(
    CLAUDE_INIT,
    _assistant({"type": "text", "text": "Credit balance is too low"}, error="billing_error"),
    {"type": "result", "subtype": "success", "is_error": True, "result": "Credit balance is too low"},
)
CLAUDE_RETRY_401 = lines(
    CLAUDE_INIT,
    {"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": 401, "error": "authentication_error"},
)
CLAUDE_RECOVERED = lines(
    CLAUDE_INIT,
    {"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": 429, "retry_delay_ms": 500, "error": "x"},
    {"type": "result", "subtype": "success", "is_error": False, "result": "Done."},
)
CLAUDE_MAX_TURNS = lines(
    CLAUDE_INIT,
    _assistant({"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "ls"}}),
    {"type": "result", "subtype": "error_max_turns", "is_error": True, "terminal_reason": "max_turns"},
)

CODEX_START = {"type": "thread.started", "thread_id": "019a-codex"}
CODEX_WARNING = {"type": "item.completed", "item": {"id": "i0", "type": "error", "message": "Model metadata not found"}}
CODEX_OK = lines(
    CODEX_START,
    {"type": "turn.started"},
    CODEX_WARNING,
    {"type": "error", "message": "Reconnecting... 1/5 (429 usage limit)"},
    {
        "type": "item.started",
        "item": {"id": "i1", "type": "command_execution", "command": "bash -lc 'sed -i x app.py'"},
    },
    {
        "type": "item.completed",
        "item": {"id": "i1", "type": "command_execution", "exit_code": 0, "status": "completed"},
    },
    {
        "type": "item.completed",
        "item": {"id": "i2", "type": "file_change", "changes": [{"path": "NOTES.md", "kind": "add"}]},
    },
    {"type": "item.completed", "item": {"id": "i3", "type": "agent_message", "text": "Done: add() now adds."}},
    {"type": "turn.completed", "usage": {"input_tokens": 3000, "cached_input_tokens": 0, "output_tokens": 120}},
)
CODEX_LIMIT = lines(
    CODEX_START,
    CODEX_WARNING,
    {
        "type": "turn.failed",
        "error": {
            "message": "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit. Upgrade to Pro (URL), or try again at 3:49 PM."
        },
    },
)

GEMINI_OK = lines(
    {"type": "init", "session_id": SESSION, "model": "gemini-2.5-pro"},
    {"type": "message", "role": "user", "content": "do it"},
    {"type": "message", "role": "assistant", "content": "I will ", "delta": True},
    {"type": "message", "role": "assistant", "content": "do that.", "delta": True},
    {"type": "tool_use", "tool_name": "write_file", "tool_id": "c1", "parameters": {"file_path": "NOTES.md"}},
    {"type": "tool_result", "tool_id": "c1", "status": "success", "output": "quota exceeded"},
    {"type": "message", "role": "assistant", "content": "Done.", "delta": True},
    {"type": "result", "status": "success", "stats": {"total_tokens": 2080, "input_tokens": 2000, "output_tokens": 80}},
)
GEMINI_LIMIT = lines(
    {"type": "init", "session_id": SESSION, "model": "gemini-2.5-pro"},
    {
        "type": "result",
        "status": "error",
        "error": {"type": "unknown", "message": "[API Error: You have exhausted your daily quota on this model.]"},
        "stats": {"input_tokens": 0, "output_tokens": 0},
    },
)


def _step(reason: str, cost: float) -> dict[str, Any]:
    tokens = {"input": 1000, "output": 40, "reasoning": 2, "cache": {"read": 10, "write": 0}}
    return {"type": "step_finish", "sessionID": "ses_1", "part": {"reason": reason, "tokens": tokens, "cost": cost}}


OPENCODE_OK = lines(
    {"type": "step_start", "sessionID": "ses_1", "part": {}},
    {"type": "text", "sessionID": "ses_1", "part": {"text": "I will do that."}},
    {
        "type": "tool_use",
        "sessionID": "ses_1",
        "part": {
            "tool": "write",
            "callID": "c1",
            "state": {"status": "completed", "input": {"filePath": "NOTES.md"}, "output": "ok"},
        },
    },
    _step("tool-calls", 0.001),
    {"type": "text", "sessionID": "ses_1", "part": {"text": "Done."}},
    _step("stop", 0.002),
)
OPENCODE_LIMIT = lines(
    {
        "type": "error",
        "sessionID": "ses_1",
        "error": {
            "name": "APIError",
            "data": {
                "message": "Rate limit reached for gpt-5",
                "statusCode": 429,
                "isRetryable": True,
                "responseHeaders": {"retry-after": "2"},
            },
        },
    },
)
OPENCODE_LOG = (
    'ERROR 2026-11-22T14:51:00 +5ms service=llm message="stream error" '
    'error.error="AI_APICallError: The usage limit has been reached"\n'
)
