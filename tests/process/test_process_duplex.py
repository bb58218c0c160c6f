"""A command that is written to while it runs: nothing blocks, nobody else holds its input, and it ends as all others do."""

from __future__ import annotations

import sys
import threading

import pytest

from loopy.process.command import Ending
from loopy.process.outbox import Outbox
from loopy.process.runner import run
from tests.process.procs import Ran, command, go, lives, python, read_pids, until, worker

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Talk(Ran):
    """A conversation: each line that the command says is answered by `answers`, and then its input ends."""

    def __init__(self, *answers: bytes) -> None:
        super().__init__()
        self.answers = list(answers)
        self.input: Outbox | None = None

    def listen(self, pipe: Outbox) -> None:
        self.input = pipe

    def hear(self, stream: str, chunk: bytes) -> None:
        self.stdout += chunk
        assert self.input is not None
        for _ in range(chunk.count(b"\n")):
            self.input.send(self.answers.pop(0) if self.answers else b"", last=not self.answers)

    def hold(self, *argv: str, **fields: object) -> Talk:
        self.exit = run(
            command(*argv, duplex=True, **fields),
            on_output=self.hear,
            on_input=self.listen,
            on_started=self.started.append,
        )
        return self


ECHO = "import sys\nprint('?', flush=True)\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"


def test_a_conversation_goes_to_and_fro_until_the_input_ends() -> None:
    talk = Talk(b"abc\n", b"def\n", b"").hold(*python(ECHO))
    assert (talk.stdout, talk.ended.ok) == (b"?\ncba\nfed\n", True)


def test_what_is_given_at_the_start_comes_first() -> None:
    talk = Talk(b"second\n", b"", b"").hold(*python(ECHO), stdin=b"first\n")
    assert talk.stdout.startswith(b"?\ntsrif\n")
    assert talk.ended.ok


def test_a_command_without_duplex_is_given_no_input_to_write_to() -> None:
    given: list[Outbox] = []
    assert run(command("cat"), on_input=given.append).ok
    assert given == []


def test_a_reader_that_takes_nothing_blocks_nobody_and_shows_in_what_waits() -> None:
    waiting: list[int] = []

    def stuff(pipe: Outbox) -> None:
        pipe.send(b"x" * 3_000_000)
        pipe.send(b"y" * 1_000_000)
        waiting.append(pipe.waiting_bytes)

    ended = run(command("sleep", "60", duplex=True), on_input=stuff, stopping=lambda: "enough" if waiting else None)
    assert (ended.ending, ended.stopped_for) == (Ending.STOPPED, "enough")
    assert 2_900_000 < waiting[0] < 4_000_000


def test_writing_to_a_command_that_has_closed_its_input_or_is_over_is_no_error() -> None:
    late: list[Outbox] = []
    assert run(command("sh", "-c", "exec 0<&-; echo x; sleep 0.1", duplex=True), on_input=late.append).ok
    late[0].send(b"more")
    assert Talk(b"x" * 500_000, b"").hold("sh", "-c", "echo 1; exec 0<&-; sleep 0.2; echo 2").ended.ok


@linux
def test_neither_the_command_nor_another_one_holds_the_end_that_is_written_to() -> None:
    show = "import os; print(sorted(os.listdir('/proc/self/fd')), os.readlink('/proc/self/fd/0')[:5])"
    assert Talk(b"").hold(*python(show)).stdout == b"['0', '1', '2', '3'] pipe:\n"
    talk, other = Talk(b""), Ran()
    begun, over = threading.Event(), threading.Event()
    thread = threading.Thread(
        target=lambda: run(
            command("sleep", "60"),
            on_started=lambda pid: (other.started.append(pid), begun.set())[0],  # type: ignore[func-returns-value]
            stopping=lambda: "done" if over.is_set() else None,
        )
    )
    talk_pipe: list[Outbox] = []

    def start_another(pipe: Outbox) -> None:
        talk_pipe.append(pipe)
        thread.start()
        begun.wait(20)
        pipe.send(b"", last=True)  # `cat` sees the end only if nobody else holds the pipe

    try:
        assert run(command("cat", duplex=True), on_input=start_another).ok
        assert lives(other.started[0])
    finally:
        over.set()
        thread.join(20)
    assert talk.answers


@linux
def test_when_the_worker_dies_a_command_that_waits_for_its_input_ends() -> None:
    wait = "import os, sys\nprint(os.getpid(), flush=True)\nsys.stdin.read()\nimport time; time.sleep(60)"
    process = worker(python(wait), duplex=True)
    (pid,) = read_pids(process, 1)
    process.kill()
    process.communicate()
    until(lambda: not lives(pid), within_s=5)


def test_a_conversation_can_be_stopped() -> None:
    ran = go(
        *python("import time; print('x', flush=True); time.sleep(60)"),
        duplex=True,
        stopping=lambda r: "cancelled" if r.stdout else None,
    )
    assert (ran.ended.ending, ran.ended.stopped_for) == (Ending.STOPPED, "cancelled")
