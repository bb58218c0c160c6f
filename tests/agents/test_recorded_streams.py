from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopy.agents.fields import holds
from loopy.agents.judge import judge
from loopy.agents.reading import Reading
from loopy.domain.agent import Agent, Usage
from loopy.domain.events import StreamEvent
from loopy.domain.failures import Failure
from loopy.process.command import Ending, Exit
from tests.agents import streams
from tests.agents.support import CATALOG, NOW

OK, BAD = Exit(Ending.EXITED, code=0), Exit(Ending.EXITED, code=1)


def read(cli: str, stdout: str, stderr: str = "") -> tuple[Reading, list[StreamEvent]]:
    reading = Reading(CATALOG[cli], lambda: NOW)
    events = [event for line in stdout.splitlines() for event, _ in reading.stdout(line)]
    events += [event for line in stderr.splitlines() for event, _ in reading.stderr(line)]
    events += [event for event, _ in reading.end()]
    return reading, events


def named(events: list[StreamEvent], name: str) -> list[str]:
    return [event.text for event in events if event.name == name]


def failure(cli: str, stdout: str, ended: Exit = BAD, stderr: str = "") -> Failure | None:
    verdict = judge(read(cli, stdout, stderr)[0], ended, Agent(name="a", cli=cli), NOW)
    return verdict.failure if verdict else None


@pytest.mark.parametrize(
    ("cli", "stream", "session", "model", "usage"),
    [
        ("claude", streams.CLAUDE_OK, streams.SESSION, "claude-sonnet-4-5", (1200, 40, 12_300)),
        ("codex", streams.CODEX_OK, "019a-codex", "", (3000, 120, None)),
        ("gemini", streams.GEMINI_OK, streams.SESSION, "gemini-2.5-pro", (2000, 80, None)),
        ("opencode", streams.OPENCODE_OK, "ses_1", "", (2020, 84, 3_000)),
    ],
)
def test_a_good_stream_gives_session_model_and_usage(
    cli: str, stream: str, session: str, model: str, usage: tuple[int, int, int | None]
) -> None:
    reading, events = read(cli, stream)
    assert (reading.session_id, reading.model) == (session, model)
    assert reading.usage == Usage(input_tokens=usage[0], output_tokens=usage[1], cost_micros=usage[2])
    assert reading.failed is False
    assert reading.worked
    assert not reading.open_tools
    assert named(events, "agent.started") == [""]
    assert len(named(events, "agent.result")) == 1
    assert failure(cli, stream, OK) is None


@pytest.mark.parametrize(
    ("cli", "stream", "tool", "file", "last"),
    [
        ("claude", streams.CLAUDE_OK, "NOTES.md", "/w/NOTES.md", "Done: add() now adds."),
        ("codex", streams.CODEX_OK, "bash -lc 'sed -i x app.py'", "NOTES.md", "Done: add() now adds."),
        ("gemini", streams.GEMINI_OK, "NOTES.md", None, "Done."),
        ("opencode", streams.OPENCODE_OK, "NOTES.md", "NOTES.md", "Done."),
    ],
)
def test_a_good_stream_gives_tools_files_and_the_last_words(
    cli: str, stream: str, tool: str, file: str | None, last: str
) -> None:
    reading, events = read(cli, stream)
    assert named(events, "agent.tool") == [tool]
    assert named(events, "agent.file") == ([file] if file else [])
    assert reading.message == last
    assert named(events, "agent.output") == []


@pytest.mark.parametrize(
    ("cli", "stream", "expected"),
    [
        ("claude", streams.CLAUDE_LIMIT, Failure.QUOTA),
        ("claude", streams.CLAUDE_BILLING, Failure.BILLING),
        ("claude", streams.CLAUDE_RETRY_401, Failure.AUTH),
        ("codex", streams.CODEX_LIMIT, Failure.QUOTA),
        ("gemini", streams.GEMINI_LIMIT, Failure.QUOTA),
        ("opencode", streams.OPENCODE_LIMIT, Failure.THROTTLE),
    ],
)
def test_a_stream_that_ends_in_a_refusal_is_classified(cli: str, stream: str, expected: Failure) -> None:
    assert failure(cli, stream) is expected


def test_claudes_reset_is_taken_from_the_event_and_not_from_the_result() -> None:
    reading, _ = read("claude", streams.CLAUDE_LIMIT)
    verdict = judge(reading, BAD, Agent(name="a", cli="claude"), NOW)
    assert verdict is not None
    assert verdict.resets_at == datetime.fromtimestamp(1795363200, UTC)


def test_opencodes_reset_is_taken_from_the_providers_headers() -> None:
    verdict = judge(read("opencode", streams.OPENCODE_LIMIT)[0], BAD, Agent(name="a", cli="opencode"), NOW)
    assert verdict is not None
    assert verdict.resets_at == NOW + timedelta(seconds=2)


def test_codexs_reset_without_a_zone_is_utc() -> None:
    verdict = judge(read("codex", streams.CODEX_LIMIT)[0], BAD, Agent(name="a", cli="codex"), NOW)
    assert verdict is not None
    assert verdict.resets_at == datetime(2026, 11, 22, 15, 49, tzinfo=UTC)


def test_a_limit_that_was_overcome_is_none() -> None:
    assert failure("claude", streams.CLAUDE_RECOVERED, OK) is None


def test_after_a_good_result_nothing_that_follows_makes_it_a_failure() -> None:
    noise = "Error: status 429 Too Many Requests while sending telemetry\n"
    for ended in (BAD, Exit(Ending.IDLE), Exit(Ending.SIGNALLED, signal=9)):
        assert failure("claude", streams.CLAUDE_OK, ended, noise) is None


def test_a_good_result_takes_back_the_wish_to_stop() -> None:
    stream = streams.CLAUDE_RETRY_401 + streams.lines({"type": "result", "is_error": False, "result": "Done."})
    reading, _ = read("claude", stream)
    assert not reading.stop
    assert reading.verdict is None


def test_a_condition_tells_true_from_one() -> None:
    assert holds({"failed": True}, {"failed": True})
    assert not holds({"failed": True}, {"failed": 1})
    assert not holds({"status": 1}, {"status": True})


def test_prose_and_tool_output_about_limits_are_no_limit() -> None:
    for cli, stream in (("claude", streams.CLAUDE_OK), ("codex", streams.CODEX_OK), ("gemini", streams.GEMINI_OK)):
        without_end = "".join(line + "\n" for line in stream.splitlines()[:-1] if '"error"' not in line)
        assert failure(cli, without_end, BAD) is None


def test_work_that_ended_in_an_unknown_failure_is_judged_by_its_change() -> None:
    assert failure("claude", streams.CLAUDE_MAX_TURNS) is None


def test_a_cli_that_failed_before_any_work_has_crashed() -> None:
    stream = streams.lines(streams.CLAUDE_INIT, {"type": "result", "is_error": True, "result": "something odd"})
    assert failure("claude", stream) is Failure.AGENT_CRASH
    assert failure("claude", "", BAD, "node: cannot find module") is Failure.AGENT_CRASH


def test_the_one_line_of_opencodes_log_ends_the_wait() -> None:
    reading, _ = read("opencode", "", streams.OPENCODE_LOG)
    assert reading.stop
    assert failure("opencode", "", Exit(Ending.STOPPED, stopped_for="limit"), streams.OPENCODE_LOG) is Failure.QUOTA


AIDER_RETRIES = """litellm.{error}: {words}
The API provider's servers are down or overloaded.
Retrying in {wait} seconds...
"""


@pytest.mark.parametrize(
    ("error", "words", "wait", "expected"),
    [
        ("RateLimitError", "OpenAIException - The usage limit has been reached", "0.2", Failure.QUOTA),
        ("RateLimitError", "OpenAIException - Rate limit reached", "8.0", Failure.THROTTLE),
        ("RateLimitError", "OpenAIException - Rate limit reached", "4.0", None),
        ("InternalServerError", "OpenAIException - overloaded", "16.0", Failure.CAPACITY),
    ],
)
def test_what_aider_prints_ends_the_wait_when_waiting_is_in_vain(
    error: str, words: str, wait: str, expected: Failure | None
) -> None:
    reading, _ = read("aider", "I will.\n" + AIDER_RETRIES.format(error=error, words=words, wait=wait))
    assert (reading.verdict.failure if reading.verdict else None) is expected
    assert reading.stop is (expected is not None)


def test_aiders_model_may_speak_of_limits() -> None:
    assert not read("aider", "I handle litellm.RateLimitError: the usage limit\nRetrying in 16.0 seconds\n")[0].stop


def test_a_wrong_key_ends_claudes_retries_and_a_short_limit_does_not() -> None:
    assert read("claude", streams.CLAUDE_RETRY_401)[0].stop
    assert not read("claude", streams.CLAUDE_RECOVERED)[0].stop


def test_silence_after_a_limit_on_stderr_is_that_limit() -> None:
    said = "TerminalQuotaError: You have exhausted your daily quota on this model.\n"
    assert failure("gemini", "", Exit(Ending.IDLE), said) is Failure.QUOTA
    assert failure("gemini", "", Exit(Ending.IDLE)) is Failure.AGENT_STALLED
    assert failure("gemini", "", Exit(Ending.DEADLINE)) is Failure.AGENT_STALLED


def test_lines_that_are_no_json_are_output_and_unknown_json_is_left_to_the_transcript() -> None:
    _, events = read("claude", 'plain words\n{"type":"stream_event","x":1}\n{"broken\n[1,2]\n')
    assert named(events, "agent.output") == ["plain words", '{"broken', "[1,2]"]
