"""How an operator would point each CLI at a provider of his own, here the scripted model: variables, files, an agent's settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopy.domain.agent import Agent

KEY = "dummy-key-0000"  # nobody's
CONTEXT, OUTPUT = 128_000, 8192


@dataclass(frozen=True)
class Setup:
    """What stands on an operator's machine before Loopy is asked: `agent` are fields of `[agents.NAME]`."""

    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # below the operator's home
    agent: Mapping[str, Any] = field(default_factory=dict)

    def settle(self, home: Path) -> None:
        """Write the files into the operator's home."""
        for name, text in self.files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text)

    def made(self, name: str, cli: str, **more: Any) -> Agent:
        """Return the agent."""
        return Agent.model_validate({"name": name, "cli": cli, **self.agent, **more})


def claude(base: str) -> Setup:
    # a plan's token, for a plan states its reset times
    return Setup({"ANTHROPIC_BASE_URL": base, "CLAUDE_CODE_OAUTH_TOKEN": KEY})


def codex(base: str) -> Setup:
    text = f"""\
model = "gpt-5-codex"
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{base}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
    return Setup({"OPENAI_API_KEY": KEY}, {".codex/config.toml": text})


def gemini(base: str) -> Setup:
    chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}}  # with an address of one's own it must be said
    return Setup(
        {"GOOGLE_GEMINI_BASE_URL": base, "GEMINI_API_KEY": KEY},
        {".gemini/settings.json": json.dumps(chosen)},
        {"model": "gemini-2.5-pro"},
    )


def opencode(base: str) -> Setup:
    local = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{base}/v1", "apiKey": KEY},
        "models": {"scripted": {"limit": {"context": CONTEXT, "output": OUTPUT}}},
    }
    said = {"share": "disabled", "provider": {"local": local}, "small_model": "local/scripted"}
    return Setup(
        {"OPENCODE_DISABLE_MODELS_FETCH": "1"},
        {".config/opencode/opencode.json": json.dumps(said)},
        {"model": "local/scripted"},
    )


def qwen(base: str) -> Setup:
    return Setup(
        {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{base}/v1", "OPENAI_MODEL": "gpt-5"},
        agent={"argv": ("--auth-type", "openai")},
    )


def pi(base: str) -> Setup:
    model = {"id": "scripted", "reasoning": False, "input": ["text"], "contextWindow": CONTEXT, "maxTokens": OUTPUT}
    cost = {"input": 1, "output": 1, "cacheRead": 0, "cacheWrite": 0}
    local = {"baseUrl": f"{base}/v1", "apiKey": KEY, "api": "openai-completions", "models": [model | {"cost": cost}]}
    return Setup(
        files={".pi/agent/models.json": json.dumps({"providers": {"local": local}})}, agent={"model": "local/scripted"}
    )


def copilot(base: str) -> Setup:
    env = {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_BASE_URL": f"{base}/v1",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_API_KEY": KEY,
    }
    return Setup(env, agent={"model": "gpt-5"})


def cline(base: str) -> Setup:
    settings = {"provider": "openai-compatible", "apiKey": KEY, "model": "scripted", "baseUrl": f"{base}/v1"}
    row = {"settings": settings, "updatedAt": "2026-11-22T00:00:00.000Z", "tokenSource": "manual"}
    said = {"version": 1, "lastUsedProvider": "openai-compatible", "providers": {"openai-compatible": row}}
    return Setup(
        files={".cline/data/settings/providers.json": json.dumps(said)},
        agent={"model": "scripted", "argv": ("-P", "openai-compatible")},
    )


def kimi(base: str) -> Setup:
    return Setup(
        {
            "KIMI_MODEL_NAME": "scripted",
            "KIMI_MODEL_PROVIDER_TYPE": "openai",
            "KIMI_MODEL_BASE_URL": f"{base}/v1",
            "KIMI_MODEL_API_KEY": KEY,
            "KIMI_MODEL_MAX_CONTEXT_SIZE": str(CONTEXT),
        }
    )


def aider(base: str) -> Setup:
    return Setup(
        {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": f"{base}/v1"},
        agent={"model": "openai/scripted", "argv": ("--edit-format", "diff", "app.py")},
    )


def mini(base: str) -> Setup:
    return Setup({"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": f"{base}/v1"}, agent={"model": "openai/scripted"})


FLEET: Mapping[str, Callable[[str], Setup]] = {
    "claude": claude,
    "codex": codex,
    "gemini": gemini,
    "opencode": opencode,
    "qwen": qwen,
    "pi": pi,
    "copilot": copilot,
    "cline": cline,
    "kimi": kimi,
    "aider": aider,
    "mini-swe-agent": mini,
}
