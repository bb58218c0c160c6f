"""The grammars of the CLIs that are documented and not driven: a good end, a limit, and lines that nobody knows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from loopy.agents.judge import refused_session
from loopy.agents.reading import Reading
from loopy.domain.agent import Usage
from loopy.domain.failures import Failure
from tests.agents import family_streams as streams
from tests.agents import streams as recorded
from tests.agents.support import CATALOG, NOW
from tests.agents.test_recorded_streams import BAD, OK, failure, named, read

SESSION = recorded.SESSION


@pytest.mark.parametrize(
    ("cli", "stream", "session", "usage"),
    [
        ("cursor", streams.CURSOR_OK, SESSION, (1000, 80, None)),
        ("letta", streams.LETTA_OK, "conversation-1", (1000, 80, None)),
        ("grok-build", streams.GROK_OK, SESSION, (1000, 80, 2_000)),
        ("goose", streams.GOOSE_OK, "", (1000, 80, 2_000)),
        ("droid", streams.DROID_OK, SESSION, (1000, 80, None)),
        ("antigravity", streams.ANTIGRAVITY_OK, SESSION, (1000, 80, None)),
        ("mistral-vibe", streams.CHAT_OK, "", (None, None, None)),
        ("oh-my-pi", streams.PI_OK, SESSION, (1000, 80, 2_000)),
        ("reasonix", streams.REASONIX_OK, SESSION, (1000, 80, None)),
        ("gptme", streams.GPTME_OK, "", (1000, 80, None)),
        ("openclaw", streams.OPENCLAW_OK, "s-9", (1000, 80, None)),
        ("continue", streams.CONTINUE_OK, "", (None, None, None)),
        ("nanocoder", streams.NANOCODER_OK, "", (1000, 80, None)),
        ("auggie", streams.AUGGIE_OK, SESSION, (None, None, None)),
    ],
)
def test_a_good_end_gives_session_usage_and_the_last_words(
    cli: str, stream: str, session: str, usage: tuple[int | None, ...]
) -> None:
    reading, events = read(cli, stream)
    assert reading.session_id == session
    assert reading.usage == Usage(input_tokens=usage[0], output_tokens=usage[1], cost_micros=usage[2])
    assert reading.message == "Done."
    assert not reading.open_tools
    assert reading.failed is (None if cli in {"mistral-vibe", "gptme"} else False)
    assert failure(cli, stream, OK) is None
    assert named(events, "agent.output") == []


@pytest.mark.parametrize(
    ("cli", "stream", "tools", "files"),
    [
        ("cursor", streams.CURSOR_OK, ["ls", "NOTES.md"], ["NOTES.md"]),
        ("letta", streams.LETTA_OK, ['{"file_path": "NOTES.md"}'], []),
        ("grok-build", streams.GROK_OK, ["NOTES.md"], []),
        ("goose", streams.GOOSE_OK, ["ls"], []),
        ("droid", streams.DROID_OK, ["NOTES.md"], []),
        ("antigravity", streams.ANTIGRAVITY_OK, [""], []),
        ("mistral-vibe", streams.CHAT_OK, ['{"path": "NOTES.md"}'], []),
        ("oh-my-pi", streams.PI_OK, ["NOTES.md"], []),
        ("nanocoder", streams.NANOCODER_OK, ["NOTES.md"], []),
        ("gptme", streams.GPTME_OK, ["Ran command: `ls`"], []),
        ("reasonix", streams.REASONIX_OK, ['{"path": "x"}'], []),
        ("grok-cli", streams.CHAT_OK, ['{"path": "NOTES.md"}'], []),
    ],
)
def test_a_good_stream_gives_tools_and_files(cli: str, stream: str, tools: list[str], files: list[str]) -> None:
    reading, events = read(cli, stream)
    assert reading.worked
    assert named(events, "agent.tool") == tools
    assert named(events, "agent.file") == files


@pytest.mark.parametrize(
    ("cli", "stream", "stderr", "expected"),
    [
        ("cursor", "", streams.CURSOR_LIMIT, Failure.QUOTA),
        ("letta", streams.LETTA_LIMIT, "", Failure.THROTTLE),
        ("grok-build", streams.GROK_LIMIT, "", Failure.QUOTA),
        ("goose", streams.GOOSE_LIMIT, "", Failure.THROTTLE),
        ("droid", streams.DROID_LIMIT, "", Failure.QUOTA),
        ("antigravity", streams.ANTIGRAVITY_LIMIT, "", Failure.QUOTA),
        ("mistral-vibe", "", "Error: status 429: rate limited", Failure.THROTTLE),
        ("oh-my-pi", streams.PI_LIMIT, "", Failure.QUOTA),
        ("continue", "", streams.CONTINUE_LIMIT, Failure.THROTTLE),
        ("continue", "", '{"status":"error","message":"403 this project is closed"}', Failure.AUTH),
        ("nanocoder", "", "Rate limit: The usage limit has been reached", Failure.QUOTA),
        ("nanocoder", "", "Rate limit: slow down", Failure.THROTTLE),
        ("nanocoder", "", "Authentication failed: Invalid API key or credentials", Failure.AUTH),
        ("kilo", "", recorded.OPENCODE_LOG, Failure.QUOTA),
        ("kiro", "", "You have reached your monthly usage limit. It resets on 12/01", Failure.QUOTA),
    ],
)
def test_a_limit_is_classified(cli: str, stream: str, stderr: str, expected: Failure) -> None:
    assert failure(cli, stream, BAD, stderr) is expected


@pytest.mark.parametrize(
    ("cli", "stream"),
    [
        ("cursor", streams.CURSOR_OK),
        ("letta", streams.LETTA_OK),
        ("grok-build", streams.GROK_OK),
        ("goose", streams.GOOSE_OK),
        ("droid", streams.DROID_OK),
        ("mistral-vibe", streams.CHAT_OK),
        ("oh-my-pi", streams.PI_OK),
        ("reasonix", streams.REASONIX_OK),
    ],
)
def test_a_tool_is_open_from_its_start_to_its_end(cli: str, stream: str) -> None:
    reading, was_open = Reading(CATALOG[cli], lambda: NOW), False
    for line in stream.splitlines()[:-1]:
        list(reading.stdout(line))
        was_open = was_open or bool(reading.open_tools)
    assert was_open
    assert not reading.open_tools


def test_a_limit_with_exit_code_0_is_one_all_the_same() -> None:
    assert failure("oh-my-pi", streams.PI_LIMIT, OK) is Failure.QUOTA
    assert failure("grok-cli", streams.GROK_CLI_LIMIT, OK) is Failure.QUOTA


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("usage_limit_reached", Failure.QUOTA),
        ("rate_limit_exceeded", Failure.THROTTLE),
        ("server_is_overloaded", Failure.CAPACITY),
    ],
)
def test_a_long_wait_that_is_announced_is_not_waited_for(reason: str, expected: Failure) -> None:
    hour, moment = NOW + timedelta(hours=1), NOW + timedelta(seconds=8)
    reading, _ = read("reasonix", streams.reasonix_waits(reason, int(hour.timestamp() * 1000)))
    assert reading.stop
    assert reading.verdict is not None
    assert (reading.verdict.failure, reading.verdict.resets_at) == (expected, hour)
    assert not read("reasonix", streams.reasonix_waits(reason, int(moment.timestamp() * 1000)))[0].stop


def test_a_session_that_is_gone_is_known_as_such() -> None:
    reading, _ = read("reasonix", "", 'error: no session matches "no-such-session"\n')
    assert refused_session(CATALOG["reasonix"], reading)


def test_a_success_after_a_retry_takes_the_failure_back() -> None:
    assert failure("oh-my-pi", streams.PI_LIMIT + streams.PI_OK, OK) is None


@pytest.mark.parametrize(
    ("cli", "stream"),
    [
        ("codebuddy", recorded.CLAUDE_OK),
        ("qoder", recorded.CLAUDE_OK),
        ("amp", recorded.CLAUDE_OK),
        ("kode", recorded.CLAUDE_OK),
        ("neovate", recorded.CLAUDE_OK),
        ("adal", recorded.CLAUDE_OK),
        ("minimax-code", recorded.CLAUDE_OK),
        ("every-code", recorded.CODEX_OK),
        ("kilo", recorded.OPENCODE_OK),
        ("deveco", recorded.OPENCODE_OK),
        ("tabnine", recorded.OPENCODE_OK),
    ],
)
def test_a_fork_is_read_like_what_it_was_made_from(cli: str, stream: str) -> None:
    reading, _ = read(cli, stream)
    assert reading.failed is False
    assert reading.session_id
    assert reading.usage.output_tokens
    assert failure(cli, stream, OK) is None


@pytest.mark.parametrize("cli", sorted(name for name, spec in CATALOG.items() if spec.print is not None))
def test_lines_that_nobody_knows_end_nothing(cli: str) -> None:
    strange = recorded.lines({"type": "from_the_future", "x": 1}, {}, {"type": 7, "message": [], "part": "x"})
    strange += '{"half": \n[1, 2]\n\x00\ud800 words\n'
    reading, events = read(cli, strange)
    assert reading.verdict is None
    assert reading.failed is None
    assert not reading.stop
    assert failure(cli, strange, OK) is None
    assert "words" in "".join(named(events, "agent.output"))


def test_one_object_that_no_row_knows_is_shown_as_it_is() -> None:
    reading, events = read("auggie", '{"answer": 42}\n')
    assert named(events, "agent.output") == ['{"answer": 42}']
    assert not reading.spoke
