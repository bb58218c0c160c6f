from __future__ import annotations

import hashlib
import resource
import time
from pathlib import Path

import pytest

from loopy.agents.redact import Redactor
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.domain.agent import Turned
from loopy.domain.errors import AgentError
from loopy.domain.events import StreamEvent
from loopy.ports import Brief
from tests.agents.support import PaperLeash, command, driver, place_in


def test_lines_go_out_in_batches_and_nothing_is_lost() -> None:
    leash, now = PaperLeash(), [0.0]
    stream = LiveStream(leash.emit, Redactor(), lambda: now[0])
    for number in range(10_000):
        now[0] += 0.0001
        stream.add(StreamEvent("agent.output", str(number)), "\n")
    stream.flush()
    assert leash.output().split("\n") == [str(number) for number in range(10_000)]
    assert len(leash.events) < 40


def test_what_waits_goes_out_after_a_quarter_of_a_second() -> None:
    leash, now = PaperLeash(), [0.0]
    stream = LiveStream(leash.emit, Redactor(), lambda: now[0])
    stream.add(StreamEvent("agent.message", "hello"))
    stream.tick()
    assert leash.events == []
    now[0] = 0.3
    stream.tick()
    assert leash.texts("agent.message") == ["hello"]


def test_parts_of_a_message_are_joined_and_messages_are_not() -> None:
    leash = PaperLeash()
    stream = LiveStream(leash.emit, Redactor(), lambda: 0.0)
    for text, joint in (("I ", ""), ("will", ""), ("Done.", None)):
        stream.add(StreamEvent("agent.message", text), joint)
    stream.flush()
    assert leash.texts("agent.message") == ["I will", "Done."]


def test_beyond_its_budget_only_what_decides_is_streamed() -> None:
    leash = PaperLeash()
    stream = LiveStream(leash.emit, Redactor(), lambda: 0.0, budget_bytes=10_000)
    for _ in range(100):
        stream.add(StreamEvent("agent.output", "x" * 1000))
    stream.add(StreamEvent("agent.limit", "stop"))
    stream.flush()
    assert sum(map(len, leash.texts("agent.output"))) < 12_000
    assert leash.texts("agent.output")[-1] == "[the live stream ends here; see the transcript]"
    assert leash.texts("agent.limit") == ["stop"]
    stream.close()
    sent = sum(text.count("x") for text in leash.texts("agent.output"))
    assert leash.texts("agent.output")[-1].startswith(f"[{100_000 - sent:,} more characters are not in the live stream")


def test_small_events_use_up_the_budget_too() -> None:
    leash = PaperLeash()
    stream = LiveStream(leash.emit, Redactor(), lambda: 0.0, budget_bytes=10_000)
    for number in range(1000):
        stream.add(StreamEvent("agent.tool", str(number)))
    stream.close()
    assert len(leash.events) < 60


def test_many_lines_at_once_are_cut_into_events_between_lines() -> None:
    leash = PaperLeash()
    stream = LiveStream(leash.emit, Redactor(), lambda: 0.0)
    lines = [f"{number} {'x' * (number % 90)}" for number in range(3000)] + ["y" * 5000, "", "z" * 7000, "end"]
    stream.add(StreamEvent("agent.output", "\n".join(lines)), "\n")
    stream.close()
    assert leash.output().split("\n") == lines
    assert max(len(text) for text in leash.texts("agent.output")) <= 8_000
    assert len(leash.events) < 60


def test_a_transcript_is_capped_and_says_so(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t.log", Redactor(), cap_bytes=1000)
    for _ in range(50):
        transcript.add("stdout", b"0123456789" * 9 + b"\n")
    digest = transcript.close()
    kept = (tmp_path / "t.log").read_bytes()
    assert len(kept) < 1100
    assert kept.endswith(b"[loopy: the transcript ends here, at its cap of 1000 bytes; the agent went on]\n")
    assert digest == hashlib.sha256(kept).hexdigest()


def test_a_transcript_that_was_filled_to_the_byte_says_that_more_came(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t.log", Redactor(), cap_bytes=1000)
    transcript.add("stdout", b"9" * 999 + b"\n")
    assert not (tmp_path / "t.log").read_bytes().endswith(b"went on]\n")
    transcript.add("stdout", b"more\n")
    transcript.add("stdout", b"and more\n")
    transcript.close()
    assert (tmp_path / "t.log").read_bytes().count(b"went on]\n") == 1


def test_error_output_is_marked_line_by_line(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path / "t.log", Redactor())
    transcript.add("stdout", b'{"a":1}\n')
    transcript.add("stderr", b"one\ntwo\n")
    transcript.add("stderr", b"three")
    transcript.close()
    assert (tmp_path / "t.log").read_bytes() == b'{"a":1}\n[stderr] one\n[stderr] two\n[stderr] three'


def test_a_transcript_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "t.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AgentError):
        Transcript(tmp_path / "t.log", Redactor())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_a_flood_of_output_neither_fills_memory_nor_hides_the_end(tmp_path: Path) -> None:
    source = (
        "import sys\nfor _ in range(700): sys.stdout.write(('x' * 99 + '\\n') * 1000)\n"
        'print(\'{"loopy": "result", "message": "after the flood"}\')'
    )
    leash, before = PaperLeash(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    turned = driver(secrets=("a-secret-of-some-length",)).turn(
        command(tmp_path, source), Brief("p", 1), place_in(tmp_path), leash
    )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"70 MB in {time.monotonic() - began:.1f} s, grown by {grown // 1024} MB")
    assert isinstance(turned, Turned)
    assert turned.message == "after the flood"
    assert (tmp_path / "run" / turned.transcript).stat().st_size < 65 * 1024 * 1024
    assert sum(len(event.text) for event in leash.events) < 3_000_000
    assert grown < 60 * 1024  # KiB; the events kept by this leash count too
