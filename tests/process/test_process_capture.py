"""Short commands: their output as a whole, cut in the middle, and version probes that leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopy.process.capture import Clip, capture, probe
from loopy.process.command import Ending
from tests.process.procs import ENV, command, lives, python


def test_a_short_output_is_kept_whole() -> None:
    seen = capture(command("sh", "-c", "echo out; echo err >&2; exit 4"))
    assert (seen.stdout, seen.stderr, seen.exit.code, seen.truncated) == (b"out\n", b"err\n", 4, False)


def test_a_long_output_keeps_both_ends_and_says_what_is_missing() -> None:
    code = "import os\nfor i in range(200000): os.write(1, b'%06d\\n' % i)"
    seen = capture(command(*python(code)), head_bytes=14, tail_bytes=7)
    assert seen.stdout == b"000000\n000001\n\n[1,399,979 bytes left out]\n199999\n"
    assert seen.truncated
    assert seen.exit.ok


@pytest.mark.parametrize("size", [1, 3, 50_000])
@pytest.mark.parametrize(("head", "tail"), [(10, 10), (0, 10), (10, 0), (100_000, 70_000)])
def test_a_clip_keeps_exactly_the_first_and_the_last_bytes(head: int, tail: int, size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(250_000 if size > 3 else 3000))
    clip = Clip(head, tail)
    for at in range(0, len(data), size):
        clip.add(data[at : at + size])
    left_out = max(len(data) - head - tail, 0)
    assert clip.left_out == left_out
    middle = f"\n[{left_out:,} bytes left out]\n".encode()
    assert clip.kept() == (data[:head] + middle + data[len(data) - tail :] if left_out else data)


def test_a_probe_answers_with_output_and_code() -> None:
    seen = probe(["sh", "-c", "echo v1.2; exit 3"], ENV, 10)
    assert (seen.stdout, seen.exit.code) == (b"v1.2\n", 3)


def test_a_probe_that_hangs_ends_at_its_timeout_with_all_it_started() -> None:
    seen = probe(["sh", "-c", "sleep 60 & echo $!; sleep 60"], ENV, 0.3)
    assert seen.exit.ending is Ending.DEADLINE
    assert not lives(int(seen.stdout))


def test_a_probe_of_a_missing_program_says_so() -> None:
    assert probe(["no-such-program", "--version"], ENV, 1).exit.ending is Ending.NOT_FOUND


def test_a_probe_runs_where_it_is_told(tmp_path: Path) -> None:
    assert probe(["pwd", "-P"], ENV, 5, cwd=tmp_path).stdout.decode().strip() == str(tmp_path.resolve())
