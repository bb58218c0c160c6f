"""Small streams in the shapes of the CLIs that are documented here and not driven by the tests."""

from __future__ import annotations

from tests.agents.streams import SESSION, lines


def _cursor_tool(phase: str, call: str, **tool: object) -> dict[str, object]:
    return {"type": "tool_call", "subtype": phase, "call_id": call, "tool_call": tool, "session_id": SESSION}


# multica server/pkg/agent/testdata/cursor-agent-2026.07.20-stream-json.jsonl
CURSOR_INIT = {"type": "system", "subtype": "init", "apiKeySource": "login", "session_id": SESSION, "model": "Auto"}
CURSOR_OK = lines(
    CURSOR_INIT,
    {"type": "user", "message": {"role": "user", "content": [{"type": "text", "text": "do it"}]}},
    {"type": "thinking", "subtype": "delta", "text": "A usage ", "session_id": SESSION},
    {"type": "thinking", "subtype": "delta", "text": "limit?", "session_id": SESSION},
    {"type": "thinking", "subtype": "completed", "session_id": SESSION},
    {"type": "assistant", "message": {"role": "assistant", "content": [{"type": "text", "text": "I will do that."}]}},
    _cursor_tool("started", "c1", shellToolCall={"args": {"command": "ls", "timeout": 30000}}),
    _cursor_tool("completed", "c1", shellToolCall={"args": {"command": "ls"}, "result": {"success": {"exitCode": 0}}}),
    _cursor_tool("started", "c2", editToolCall={"args": {"path": "NOTES.md", "streamContent": "3\n"}}),
    _cursor_tool("completed", "c2", editToolCall={"result": {"success": {"path": "NOTES.md", "linesAdded": 1}}}),
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Done.",
        "session_id": SESSION,
        "usage": {"inputTokens": 900, "outputTokens": 80, "cacheReadTokens": 100, "cacheWriteTokens": 0},
    },
)
CURSOR_LIMIT = "You've hit your usage limit. It will reset when your monthly cycle ends on 12/17/2026\n"

# docs.letta.com/letta-code/headless
LETTA_OK = lines(
    {"type": "system", "subtype": "init", "agent_id": "agent-1", "conversation_id": "conversation-1", "model": "m-1"},
    {"type": "message", "message_type": "reasoning_message", "reasoning": "The user ", "otid": "o", "seq_id": 1},
    {
        "type": "message",
        "message_type": "tool_call_message",
        "tool_call": {"name": "Write", "tool_call_id": "t1", "arguments": '{"file_path": "NOTES.md"}'},
    },
    {"type": "message", "message_type": "tool_return_message", "tool_call_id": "t1", "status": "success"},
    {"type": "message", "message_type": "assistant_message", "content": "Do", "otid": "p", "seq_id": 5},
    {"type": "message", "message_type": "assistant_message", "content": "ne.", "otid": "p", "seq_id": 6},
    {"type": "message", "message_type": "stop_reason", "stop_reason": "end_turn"},
    {"type": "message", "message_type": "usage_statistics", "prompt_tokens": 1000, "completion_tokens": 80},
    {"type": "result", "subtype": "success", "result": "Done.", "conversation_id": "conversation-1"},
)
LETTA_LIMIT = lines(
    {"type": "error", "message": "Rate limit exceeded: 429 Too Many Requests"},
    {"type": "result", "subtype": "error", "result": "stopped"},
)

# docs.x.ai/build/cli/headless-scripting
GROK_OK = lines(
    {"type": "thought", "data": "Hm, "},
    {"type": "tool_call", "toolCallId": "c1", "toolName": "write_file", "rawInput": {"path": "NOTES.md"}},
    {"type": "tool_call_update", "toolCallId": "c1", "status": "in_progress"},
    {"type": "tool_call_update", "toolCallId": "c1", "status": "completed"},
    {"type": "available_commands", "data": []},
    {"type": "text", "data": "Do"},
    {"type": "text", "data": "ne."},
    {
        "type": "end",
        "stopReason": "end_turn",
        "sessionId": SESSION,
        "usage": {"input_tokens": 1000, "output_tokens": 80},
        "total_cost_usd": 0.002,
    },
)
GROK_LIMIT = lines({"type": "error", "message": "429: usage limit reached, try again at 2026-11-22T16:00:00Z"})

# aaif-goose/goose crates/goose-cli/src/session/mod.rs
GOOSE_OK = lines(
    {"type": "message", "message": {"role": "user", "content": [{"type": "text", "text": "do it"}]}},
    {
        "type": "message",
        "message": {
            "role": "assistant",
            "content": [
                {
                    "type": "toolRequest",
                    "id": "c1",
                    "toolCall": {"value": {"name": "shell", "arguments": {"command": "ls"}}},
                }
            ],
        },
    },
    {"type": "notification", "extension_id": "developer", "log": {"message": "ls"}},
    {"type": "message", "message": {"role": "user", "content": [{"type": "toolResponse", "id": "c1"}]}},
    {"type": "message", "message": {"role": "assistant", "content": [{"type": "text", "text": "Do"}]}},
    {"type": "message", "message": {"role": "assistant", "content": [{"type": "text", "text": "ne."}]}},
    {"type": "complete", "total_tokens": 1080, "input_tokens": 1000, "output_tokens": 80, "cost_usd": 0.002},
)
GOOSE_LIMIT = lines({"type": "error", "error": "Rate limit exceeded. Please retry in 53s."})

# the installed droid 0.225.2
DROID_OK = lines(
    {"type": "system", "subtype": "init", "session_id": SESSION},
    {"type": "message", "role": "user", "text": "do it"},
    {"type": "tool_call", "toolName": "Create", "parameters": {"file_path": "NOTES.md"}},
    {"type": "tool_result", "isError": False, "value": "ok"},
    {"type": "message", "role": "assistant", "text": "Done."},
    {"type": "completion", "finalText": "Done.", "numTurns": 2, "usage": {"input_tokens": 1000, "output_tokens": 80}},
)
DROID_LIMIT = lines(
    {"type": "system", "subtype": "init", "session_id": SESSION},
    {"type": "error", "source": "agent_loop", "message": "429 The usage limit has been reached"},
    {"type": "error", "source": "cli", "message": "Exec failed"},
)

# release notes of google-antigravity/antigravity-cli 1.1.8
ANTIGRAVITY_OK = lines(
    {"type": "init", "cwd": "/w", "permission_mode": "default"},
    {"type": "step_update", "conversation_id": SESSION, "step_type": "tool_call", "tool_info": {"name": "write_file"}},
    {"type": "step_update", "conversation_id": SESSION, "step_type": "agent_response", "text_delta": "Do"},
    {"type": "step_update", "conversation_id": SESSION, "step_type": "agent_response", "text_delta": "ne."},
    {
        "type": "result",
        "conversation_id": SESSION,
        "status": "SUCCESS",
        "usage": {"input_tokens": 900, "output_tokens": 60, "thinking_tokens": 20, "cache_read_tokens": 100},
    },
)
ANTIGRAVITY_LIMIT = lines({"type": "result", "status": "ERROR", "error": "Individual quota reached. Resets in 2h10m"})

# the installed grok-cli 0.0.34; README of mistralai/mistral-vibe
CHAT_OK = lines(
    {"role": "user", "content": "do it"},
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c1", "function": {"name": "write_file", "arguments": '{"path": "NOTES.md"}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "name": "write_file", "content": "rate limit"},
    {"role": "assistant", "content": "Done."},
)

GROK_CLI_LIMIT = lines(
    {"role": "user", "content": "do it"},
    {
        "role": "assistant",
        "content": "Sorry, I encountered an error: Grok API error: 429 The usage limit has been reached",
    },
)

# the installed pi 0.87.1, from which oh-my-pi was made
PI_OK = lines(
    {"type": "session", "id": SESSION, "cwd": "/w"},
    {"type": "agent_start"},
    {"type": "tool_execution_start", "toolCallId": "c1", "toolName": "write", "args": {"path": "NOTES.md"}},
    {"type": "tool_execution_end", "toolCallId": "c1", "isError": False},
    {
        "type": "message_end",
        "message": {
            "role": "assistant",
            "content": [{"type": "text", "text": "Done."}],
            "usage": {"input": 1000, "output": 80, "cost": {"total": 0.002}},
            "stopReason": "stop",
        },
    },
    {"type": "agent_end", "messages": []},
)
PI_LIMIT = lines(
    {"type": "session", "id": SESSION, "cwd": "/w"},
    {
        "type": "message_end",
        "message": {
            "role": "assistant",
            "content": [],
            "stopReason": "error",
            "errorMessage": "429: usage limit reached",
        },
    },
)

# multica server/pkg/agent/testdata/openclaw-2026.5.5-stdout.json; it is printed over many lines
OPENCLAW_OK = """some banner
{
  "payloads": [{"text": "Done.", "mediaUrl": null}],
  "meta": {
    "durationMs": 6115,
    "agentMeta": {"sessionId": "s-9", "model": "m-1", "usage": {"input": 1000, "output": 80, "total": 1080}},
    "aborted": false
  }
}
"""
# the installed reasonix 1.38.11
REASONIX_START = {"kind": "turn_started", "sessionId": SESSION, "turnId": "t", "seq": 2, "status": "in_progress"}
REASONIX_OK = lines(
    {"kind": "turn_status", "sessionId": SESSION, "turnId": "t", "seq": 1, "status": "queued"},
    REASONIX_START,
    {"kind": "text", "sessionId": SESSION, "text": "I will do that."},
    {"kind": "tool_dispatch", "tool": {"id": "c1", "name": "write_file", "partial": True}},
    {"kind": "usage", "usage": {"promptTokens": 1000, "completionTokens": 80}},
    {"kind": "message", "sessionId": SESSION, "text": "I will do that."},
    {
        "kind": "tool_dispatch",
        "tool": {"runState": "pending", "id": "c1", "name": "write_file", "args": '{"path": "x"}'},
    },
    {"kind": "tool_started", "tool": {"runState": "started", "id": "c1", "name": "write_file"}},
    {"kind": "tool_result", "tool": {"runState": "completed", "id": "c1", "name": "write_file", "output": "429"}},
    {"kind": "turn_done", "sessionId": SESSION, "status": "completed"},
    {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": "Done.",
        "usage": {"input_tokens": 1000, "output_tokens": 80, "cache_creation_input_tokens": 1000},
    },
)


def reasonix_waits(reason: str, until_ms: int) -> str:
    recovery = {"phase": "headers", "reason": reason, "next_attempt_at": until_ms}
    return lines(REASONIX_START, {"kind": "retrying", "sessionId": SESSION, "recovery": recovery, "retryAttempt": 1})


# the installed gptme 0.35.1
GPTME_OK = lines(
    {"type": "message", "role": "user", "content": "do it", "timestamp": "2026-11-23T04:31:44"},
    {
        "type": "message",
        "role": "assistant",
        "content": '@shell(call_1): {"command": "ls"}',
        "metadata": {"model": "local/scripted", "usage": {"input_tokens": 400, "output_tokens": 40}},
    },
    {
        "type": "message",
        "role": "system",
        "content": "Ran command: `ls`",
        "call_id": "c",
        "metadata": {"tool": "shell"},
    },
    {
        "type": "message",
        "role": "assistant",
        "content": "Done.",
        "metadata": {"model": "local/scripted", "usage": {"input_tokens": 600, "output_tokens": 40}},
    },
)
CONTINUE_OK = lines({"response": "Done.", "status": "success", "note": ""})
CONTINUE_LIMIT = lines({"status": "error", "message": "429 Too Many Requests"})
NANOCODER_OK = """{
  "kind": "success",
  "exitCode": 0,
  "finalText": "Done.",
  "toolCalls": [{"name": "write_file", "arguments": {"path": "NOTES.md"}, "result": "ok", "error": null}],
  "usage": {"inputTokens": 1000, "outputTokens": 80, "totalTokens": 1080}
}
"""
AUGGIE_OK = lines({"type": "result", "result": "Done.", "is_error": False, "session_id": SESSION})
