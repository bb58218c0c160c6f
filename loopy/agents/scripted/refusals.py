"""How model providers refuse: status, headers and body of each refusal in each wire family, as recorded from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

RESET_IN_S = 3600
Json = dict[str, Any]
Refusal = tuple[int, dict[str, str], Json]

TRY_LATER = "This request would exceed your account's rate limit. Please try again later."
NO_CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
GEMINI_METRIC = "generativelanguage.googleapis.com/generate_requests"


def anthropic(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """Return a refusal in Anthropic's form."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}
    return status, dict(headers or {}), body


def openai(
    status: int, code: str | None, kind: str, message: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Refusal:
    """Return a refusal in OpenAI's form."""
    error = {"message": message, "type": kind, "param": None, "code": code, **more}
    return status, dict(headers or {}), {"error": error}


def gemini(status: int, kind: str, message: str, *details: Json) -> Refusal:
    """Return a refusal in Gemini's form."""
    return status, {}, {"error": {"code": status, "message": message, "status": kind, "details": list(details)}}


def _gemini_quota(quota: str, retry: str) -> tuple[Json, Json]:
    return (
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": GEMINI_METRIC, "quotaId": quota}],
        },
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": retry},
    )


def _claude_plan() -> dict[str, str]:
    name, reset = "anthropic-ratelimit-unified", str(int(time.time()) + RESET_IN_S)
    return {
        f"{name}-status": "rejected",
        f"{name}-reset": reset,
        f"{name}-representative-claim": "five_hour",
        f"{name}-5h-status": "rejected",
        f"{name}-5h-reset": reset,
        f"{name}-5h-utilization": "1.0",
        f"{name}-overage-status": "rejected",
        "retry-after": str(RESET_IN_S),
        "x-should-retry": "false",
    }


def _codex_plan() -> Refusal:
    reset = int(time.time()) + RESET_IN_S
    headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": str(reset),
        "x-codex-primary-reset-after-seconds": str(RESET_IN_S),
        "retry-after": str(RESET_IN_S),
    }
    error = {
        "type": "usage_limit_reached",
        "message": "The usage limit has been reached",
        "plan_type": "plus",
        "resets_at": reset,
        "resets_in_seconds": RESET_IN_S,
    }
    return 429, headers, {"error": error}


def _gemini_day() -> Refusal:
    message = "You exceeded your current quota, please check your plan and billing details. Please retry in 3600s."
    quota = _gemini_quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", f"{RESET_IN_S}s")
    return gemini(429, "RESOURCE_EXHAUSTED", message, *quota)


SHORT = {"retry-after": "2", "x-should-retry": "true"}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
TPM = "Rate limit reached for gpt-5 on tokens per min (TPM): Limit 30000, Used 30000. Please try again in 2s."

REFUSALS: Mapping[str, Mapping[str, Callable[[], Refusal]]] = {
    "rate": {
        "anthropic": lambda: anthropic(429, "rate_limit_error", TRY_LATER, SHORT),
        "openai": lambda: openai(429, "rate_limit_exceeded", "tokens", TPM, SHORT),
        "gemini": lambda: gemini(
            429,
            "RESOURCE_EXHAUSTED",
            "Resource exhausted. Please retry in 2s.",
            *_gemini_quota("GenerateRequestsPerMinutePerProjectPerModel", "2s"),
        ),
    },
    "usage": {
        "anthropic": lambda: anthropic(429, "rate_limit_error", TRY_LATER, _claude_plan()),
        "openai": _codex_plan,
        "gemini": _gemini_day,
    },
    "quota": {
        "anthropic": lambda: anthropic(400, "invalid_request_error", NO_CREDIT),
        "openai": lambda: openai(
            429,
            "insufficient_quota",
            "insufficient_quota",
            "You exceeded your current quota, check your plan and billing.",
        ),
        "gemini": _gemini_day,
    },
    "auth": {
        "anthropic": lambda: anthropic(401, "authentication_error", "invalid x-api-key"),
        "openai": lambda: openai(401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided: dummy."),
        "gemini": lambda: gemini(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", BAD_KEY),
    },
    "forbidden": {
        "anthropic": lambda: anthropic(403, "permission_error", "Your account does not have access."),
        "openai": lambda: openai(403, None, "invalid_request_error", "Your account does not have access."),
        "gemini": lambda: gemini(403, "PERMISSION_DENIED", "The caller does not have permission."),
    },
    "overflow": {
        "anthropic": lambda: anthropic(
            400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
        ),
        "openai": lambda: openai(
            400,
            "context_length_exceeded",
            "invalid_request_error",
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
        ),
        "gemini": lambda: gemini(
            400,
            "INVALID_ARGUMENT",
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
    },
    "overload": {
        "anthropic": lambda: anthropic(529, "overloaded_error", "Overloaded"),
        "openai": lambda: openai(503, "server_is_overloaded", "server_error", "The server is currently overloaded."),
        "gemini": lambda: gemini(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    },
    "server": {
        "anthropic": lambda: anthropic(500, "api_error", "Internal server error"),
        "openai": lambda: openai(500, None, "server_error", "The server had an error."),
        "gemini": lambda: gemini(500, "INTERNAL", "An internal error has occurred."),
    },
}


def refusal(scenario: str, family: str) -> Refusal | None:
    """Return the refusal of a scenario in a family (anthropic, openai, gemini), None when the scenario succeeds."""
    return REFUSALS[scenario][family]() if scenario in REFUSALS else None
