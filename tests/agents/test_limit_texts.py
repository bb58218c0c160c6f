from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopy.agents.catalogue import load_catalog
from loopy.agents.limits import classify, in_order
from loopy.agents.rules import Channel
from loopy.domain.failures import Failure

NOW = datetime(2026, 11, 22, 14, 51, tzinfo=UTC)
CATALOG = load_catalog()
F = Failure

EVENTS = [
    ("claude", "429 rate_limit You've hit your limit · resets 3:51pm (UTC)", F.QUOTA),
    ("claude", "You've hit your session limit · resets 3:51pm (UTC)", F.QUOTA),
    ("claude", "You've reached your Fable limit", F.QUOTA),
    ("claude", "5-hour limit reached ∙ resets 2am", F.QUOTA),
    ("claude", "API Error: Server is temporarily limiting requests (not your usage limit)", F.THROTTLE),
    ("claude", "API Error: Request rejected (429) · Please try again later", F.THROTTLE),
    ("claude", "billing_error Credit balance is too low", F.BILLING),
    ("claude", "authentication_failed Invalid API key · Fix external API key", F.AUTH),
    ("claude", "Failed to authenticate. API Error: 403 Your account does not have access.", F.AUTH),
    ("claude", "Not logged in · Please run /login", F.AUTH),
    ("claude", "prompt_too_long Prompt is too long", F.CONTEXT_OVERFLOW),
    ("claude", "API Error: 529 Overloaded", F.CAPACITY),
    ("codex", "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit. Upgrade to Pro (URL) or try again at 3:49 PM.", F.QUOTA),
    ("codex", "You\N{RIGHT SINGLE QUOTATION MARK}ve hit your usage limit for gpt-5. Switch to another model now", F.QUOTA),
    ("codex", "Your workspace is out of credits", F.BILLING),
    ("codex", "Quota exceeded. Check your plan and billing details.", F.BILLING),
    ("codex", "exceeded retry limit, last status: 429 Too Many Requests", F.THROTTLE),
    ("codex", "Selected model is at capacity. Please try a different model.", F.CAPACITY),
    ("codex", "We\N{RIGHT SINGLE QUOTATION MARK}re currently experiencing high demand", F.CAPACITY),
    ("codex", "unexpected status 401 Unauthorized: Incorrect API key provided", F.AUTH),
    ("codex", "Codex ran out of room in the model's context window. Start a new conversation", F.CONTEXT_OVERFLOW),
    ("codex", "stream disconnected before completion: error sending request", F.CAPACITY),
    ("gemini", "[API Error: You have exhausted your daily quota on this model.]", F.QUOTA),
    ("gemini", "You have exhausted your capacity on this model. Your quota will reset after 1h50m21s.", F.QUOTA),
    ("gemini", "[API Error: API key not valid. Please pass a valid API key.]", F.AUTH),
    ("gemini", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
     F.CONTEXT_OVERFLOW),
    ("opencode", "429 APIError Rate limit reached for gpt-5", F.THROTTLE),
    ("opencode", "ContextOverflowError Input exceeds context window of this model", F.CONTEXT_OVERFLOW),
    ("opencode", "5 hour usage limit reached. It will reset in 3 hours", F.QUOTA),
    ("opencode", "402 You have no quota", F.BILLING),
    ("opencode", "Sorry, you've hit a rate limit. Please try again in 2 hours", F.QUOTA),
]  # fmt: skip


@pytest.mark.parametrize(("cli", "text", "failure"), EVENTS)
def test_a_recorded_refusal_is_classified(cli: str, text: str, failure: Failure) -> None:
    verdict = classify(in_order(CATALOG[cli].limit), Channel.EVENT, text, NOW)
    assert verdict is not None
    assert verdict.failure is failure


BUSY = "Info: Request failed due to a transient API error. Retrying..."
GAVE_UP = "Error: Failed to get response from the AI model; retried 5 times (total retry wait time: 15.50 seconds) Last error: "
MESSAGES = [  # over the Agent Client Protocol, where nothing was done
    ("copilot", "Error: 429 The usage limit has been reached", F.QUOTA),
    ("copilot", f"{BUSY}Error: Authentication failed with provider at http://127.0.0.1:1/v1 (HTTP 401).", F.AUTH),
    ("copilot", f"{GAVE_UP}429 You exceeded your current quota, check your plan and billing.", F.BILLING),
    ("copilot", f"{BUSY}{BUSY}{GAVE_UP}503 The server is currently overloaded.", F.CAPACITY),
    ("copilot", "Info: Compacting history and retrying...Error: The provider rejected the prompt as too long, but",
     F.CONTEXT_OVERFLOW),
    ("kimi", "Compacting conversation context…Compaction is blocked by the current turn; retry later.Compaction cancelled.",
     F.CONTEXT_OVERFLOW),
]  # fmt: skip


@pytest.mark.parametrize(("cli", "text", "failure"), MESSAGES)
def test_a_refusal_that_stands_in_a_message_is_classified_and_prose_about_it_is_not(
    cli: str, text: str, failure: Failure
) -> None:
    verdict = classify(in_order(CATALOG[cli].limit), Channel.STDOUT, text, NOW)
    assert verdict is not None
    assert verdict.failure is failure
    about = f"I looked for the words `{text.partition('Error: ')[2] or 'Compaction cancelled'}` and found none."
    assert classify(in_order(CATALOG[cli].limit), Channel.STDOUT, about, NOW) is None


STDERR = [
    ("opencode", 'level=ERROR message="stream error" error.error="AI_APICallError: The usage limit has been reached"',
     F.QUOTA),
    ("gemini", "TerminalQuotaError: You have exhausted your daily quota on this model.", F.QUOTA),
    ("gemini", "RetryableQuotaError: Resource exhausted", F.THROTTLE),
    ("gemini", "Attempt 1 failed: Too Many Requests. Retrying after 5000ms...", F.THROTTLE),
    ("codex", "ERROR: unexpected status 401 Unauthorized", F.AUTH),
    ("nanocoder", "Rate limit: You exceeded your current quota, check your plan and billing.", F.BILLING),
    ("nanocoder", "Rate limit: The usage limit has been reached", F.QUOTA),
    ("nanocoder", "Rate limit: Rate limit reached for gpt-5", F.THROTTLE),
    ("claude", "--dangerously-skip-permissions cannot be used with root/sudo privileges", F.POLICY_REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("cli", "text", "failure"), STDERR)
def test_a_refusal_on_stderr_is_classified(cli: str, text: str, failure: Failure) -> None:
    verdict = classify(in_order(CATALOG[cli].limit), Channel.STDERR, text, NOW)
    assert verdict is not None
    assert verdict.failure is failure


@pytest.mark.parametrize("text", ["402913 tokens used", "wrote 429 lines", "see issue #4290", "", "All tests passed"])
def test_numbers_and_prose_on_stderr_are_no_refusal(text: str) -> None:
    for spec in CATALOG.values():
        assert classify(in_order(spec.limit), Channel.STDERR, text, NOW) is None


def test_context_overflow_goes_before_quota() -> None:
    text = "You've hit your usage limit quota: prompt is too long for the context window"
    verdict = classify(in_order(CATALOG["codex"].limit), Channel.EVENT, text, NOW)
    assert verdict is not None
    assert verdict.failure is F.CONTEXT_OVERFLOW


def test_a_verdict_quotes_the_line_and_knows_when_it_passes() -> None:
    text = "first line\nYour quota will reset after 1h50m21s.\nlast line"
    verdict = classify(in_order(CATALOG["gemini"].limit), Channel.STDERR, text, NOW)
    assert verdict is not None
    assert verdict.detail == "Your quota will reset after 1h50m21s."
    assert verdict.resets_at == NOW + timedelta(hours=1, minutes=50, seconds=21)


@pytest.mark.parametrize(("code", "failure"), [("173", F.QUOTA), ("41", F.AUTH), ("55", F.POLICY_REFUSED), ("1", None)])
def test_an_exit_code_is_read_where_it_says_something(code: str, failure: Failure | None) -> None:
    verdict = classify(in_order(CATALOG["gemini"].limit), Channel.EXIT, code, NOW)
    assert (verdict.failure if verdict else None) is failure


@pytest.mark.parametrize(
    ("text", "failure", "ends"),
    [
        ("Retrying <unknown> in 4 seconds as it raised AuthenticationError: x", F.AUTH, None),
        (
            "Retrying <unknown> in 4 seconds as it raised RateLimitError: The usage limit has been reached",
            F.QUOTA,
            None,
        ),
        ("RateLimitError: The usage limit has been reached, resets_at: 1795362600", F.QUOTA, 1795362600),
    ],
)
def test_the_time_of_a_retry_is_no_reset(text: str, failure: Failure, ends: int | None) -> None:
    verdict = classify(in_order(CATALOG["mini-swe-agent"].limit), Channel.STDERR, text, NOW)
    assert verdict is not None
    assert verdict.failure is failure
    assert (verdict.resets_at.timestamp() if verdict.resets_at else None) == ends
