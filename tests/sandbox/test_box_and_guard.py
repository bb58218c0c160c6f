"""A box under a guard: streams, ends and deaths are as they are without one."""

from __future__ import annotations

import os
import signal
from threading import Thread

import pytest

from loopy.process.capture import capture
from loopy.process.command import Ending, Exit, Limits, Marker
from loopy.process.groups import take_over
from loopy.process.outbox import Outbox
from loopy.process.runner import run
from loopy.process.table import look_up
from tests.support.boxes import needs_bwrap

from .scene import Scene, alive, until

pytestmark = needs_bwrap


@pytest.mark.parametrize(("script", "code", "signum"), [("exit 0", 0, None), ("exit 7", 7, None), ("kill -9 $$", None, 9),
                                                        ("kill -SEGV $$", None, 11), ("kill -TERM $$", 143, None)])  # fmt: skip
def test_exit_codes_and_crashes_are_told_apart(scene: Scene, script: str, code: int | None, signum: int | None) -> None:
    ended = capture(scene.command("/bin/sh", "-c", script)).exit
    assert (ended.code, ended.signal) == (code, signum)
    assert ended.ending is (Ending.SIGNALLED if signum else Ending.EXITED)


def test_a_program_that_is_not_there_is_an_end_with_words(scene: Scene) -> None:
    done = capture(scene.command("/usr/bin/no-such-program"))
    assert not done.exit.ok
    assert b"no-such-program: No such file" in done.stderr


def test_a_conversation_over_its_standard_streams_is_possible(scene: Scene) -> None:
    heard, pipes = list[bytes](), list[Outbox]()

    def answer(_stream: str, chunk: bytes) -> None:
        heard.append(chunk)
        if b"two" in chunk:
            pipes[0].send(b"", last=True)
        else:
            pipes[0].send(b"two\n")

    def open_up(pipe: Outbox) -> None:
        pipes.append(pipe)
        pipe.send(b"one\n")

    command = scene.command("/bin/sh", "-c", "while read -r word; do echo got $word; done; echo over", duplex=True)
    ended = run(command, on_output=answer, on_input=open_up)
    assert ended.ok
    assert b"".join(heard) == b"got one\ngot two\nover\n"


def test_kill_9_of_the_guard_ends_the_box(scene: Scene) -> None:
    n = f"400.{os.getpid()}"
    started, ends = list[int](), list[Exit]()
    script = f"setsid sleep {n}1 & sleep {n}2"
    command = scene.command("/bin/sh", "-c", script, marker=Marker("LP-1.1", 3), lock=scene.root / "lock")
    thread = Thread(target=lambda: ends.append(run(command, on_started=started.append)))
    thread.start()
    until(lambda: len(alive(n)) >= 3)
    guard = look_up(started[0])
    assert guard is not None
    os.kill(guard.ppid, signal.SIGKILL)
    until(lambda: not alive(n))
    thread.join(20)
    assert [ended.ending for ended in ends] == [Ending.LOST]


def test_a_newer_claim_ends_the_box_of_an_older_one(scene: Scene) -> None:
    n = f"500.{os.getpid()}"
    lock, ends = scene.root / "lock", list[Exit]()
    command = scene.command("/bin/sh", "-c", f"setsid sleep {n}", marker=Marker("LP-1.1", 3), lock=lock)
    thread = Thread(target=lambda: ends.append(run(command)))
    thread.start()
    until(lambda: alive(n))
    take_over(lock, Marker("LP-1.1", 4))
    assert not alive(n)
    thread.join(20)
    assert [ended.ending for ended in ends] == [Ending.LOST]


def test_one_that_will_not_end_is_killed_with_its_daemons(scene: Scene) -> None:
    n = f"600.{os.getpid()}"
    script = f"trap '' TERM HUP INT; (setsid sleep {n}1 &) ; while :; do sleep 0.05; done"
    ended = capture(scene.command("/bin/sh", "-c", script, wall_s=0.5, kill_grace_s=0.3)).exit
    assert ended.ending is Ending.DEADLINE
    assert not alive(n)


def test_limits_hold_in_the_box_as_outside(scene: Scene) -> None:
    limits = Limits(file_size_bytes=4096)
    done = capture(scene.command("/bin/sh", "-c", "head -c 100000 /dev/zero > big", limits=limits))
    assert not done.exit.ok
    assert (scene.tree / "big").stat().st_size == 4096
