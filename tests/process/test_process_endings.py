"""However a command ends, or its worker, or its guard: the ending is named and nothing of it survives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from loopy.process.command import Ending, Limits, Marker
from loopy.process.lock import try_lock
from loopy.process.runner import run
from loopy.process.table import environ, scan
from tests.process.procs import ENV, FAMILY, Ran, command, go, lives, python

pytestmark = [  # families of real processes, and time for them to end; the main path is in test_process_run.py
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is needed for daemons"),
]

MARKER = Marker("LP-1.1", 3)


def after(count: int) -> Callable[[Ran], str | None]:
    """Stop as soon as so many lines are out."""
    return lambda ran: "enough" if ran.stdout.count(b"\n") >= count else None


def test_a_command_that_ignores_sigterm_dies_with_its_daemons_when_stopped() -> None:
    ran = go(*python(FAMILY, "washed"), stopping=after(4), kill_grace_s=0.1)
    assert (ran.ended.ending, ran.ended.stopped_for, ran.ended.signal) == (Ending.STOPPED, "enough", signal.SIGKILL)
    assert len(ran.pids) == 4
    assert not [pid for pid in ran.pids if lives(pid)]


def test_a_polite_command_gets_the_time_to_end_itself() -> None:
    ran = go("sh", "-c", "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.02; done", stopping=after(1))
    assert (ran.ended.ending, ran.ended.code, ran.stdout) == (Ending.STOPPED, 7, b"up\nbye\n")


def test_each_process_of_the_group_gets_sigterm_once() -> None:
    code = """
import os, signal, time

heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
os.write(1, b"up\\n")
end = time.monotonic() + 0.2
while not heard: signal.pause()
while time.monotonic() < end: time.sleep(0.05)
os.write(1, b"%d\\n" % len(heard))
"""
    assert go(*python(code), stopping=after(1), kill_grace_s=3.0).stdout == b"up\n1\n"


def test_a_stopped_process_is_woken_to_end() -> None:
    ran = go("sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; kill -STOP $$", stopping=after(1), kill_grace_s=5.0)
    assert (ran.ended.code, ran.stdout) == (0, b"up\nbye\n")


def test_daemons_that_a_command_leaves_behind_end_with_it_and_are_counted() -> None:
    ran = go(*python(FAMILY.removesuffix("stay()\n"), "washed"), marker=MARKER)
    assert (ran.ended.ending, ran.ended.code, ran.ended.leftovers) == (Ending.EXITED, 0, 3)
    assert not [pid for pid in ran.pids if lives(pid)]


def test_the_lock_is_held_while_a_left_daemon_dies(tmp_path: Path) -> None:
    code = """
import fcntl, os, signal, sys
def look(*_):
    try: fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB); os.write(1, b"free\\n")
    except BlockingIOError: os.write(1, b"held\\n")
    os._exit(0)
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, look)
    os.write(w, b"x")
    signal.pause()
os.read(r, 1)
"""
    assert go(*python(code, str(tmp_path / "lock")), lock=tmp_path / "lock", marker=MARKER).stdout == b"held\n"


def test_a_process_with_the_commands_mark_dies_wherever_it_was_started() -> None:
    seen: list[subprocess.Popen[bytes]] = []

    def elsewhere(ran: Ran) -> str | None:
        if not seen and ran.stdout.endswith(b"\0"):
            env = dict(pair.split(b"=", 1) for pair in ran.stdout.split(b"\0")[:-1])
            seen.append(subprocess.Popen(["/bin/sleep", "60"], env=env))
        return "enough" if seen else None

    go("sh", "-c", "cat /proc/self/environ; sleep 60", marker=MARKER, stopping=elsewhere)
    assert seen[0].wait(timeout=5) in (-signal.SIGTERM, -signal.SIGKILL)


def test_children_that_are_about_to_end_are_no_leftovers() -> None:
    assert go("sh", "-c", "sleep 0.01 & exit 0").ended.leftovers == 0


def test_a_command_without_output_is_idle() -> None:
    ran = go("sh", "-c", "echo x; sleep 60", idle_s=0.2)
    assert (ran.ended.ending, ran.stdout) == (Ending.IDLE, b"x\n")


def test_output_on_either_stream_is_a_sign_of_life() -> None:
    script = "for i in 1 2 3 4 5 6; do echo $i >&2; sleep 0.1; done"
    assert go("sh", "-c", script, idle_s=0.5).ended.ok


def test_our_own_slowness_is_not_the_commands_silence() -> None:
    seen: list[bytes] = []

    def slowly(_stream: str, chunk: bytes) -> None:
        time.sleep(0.7)  # the thing under test is a slow consumer
        seen.append(chunk)

    assert run(command("sh", "-c", "echo 1; sleep 1; echo 2", idle_s=0.6), on_output=slowly).ok
    assert b"".join(seen) == b"1\n2\n"


def test_the_deadline_ends_a_command_that_talks_for_ever() -> None:
    ran = go("sh", "-c", "while :; do echo x; sleep 0.01; done", wall_s=0.3)
    assert ran.ended.ending is Ending.DEADLINE
    assert 0.25 < ran.ended.seconds < 3  # two clocks


def test_the_question_whether_to_go_on_is_asked_twice_a_second() -> None:
    asked: list[float] = []

    def stopping() -> str | None:
        asked.append(time.monotonic())
        return "enough" if len(asked) == 4 else None

    ended = run(command("sleep", "60"), stopping=stopping)
    assert ended.stopped_for == "enough"
    assert max(later - earlier for earlier, later in pairwise(asked)) < 0.8


def test_a_stop_while_the_lock_is_waited_for_starts_nothing(tmp_path: Path) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    ran = go("touch", "acted", cwd=tmp_path, lock=tmp_path / "lock", marker=MARKER, stopping=lambda _ran: "cancelled")
    os.close(fd)
    assert (ran.ended.ending, ran.ended.stopped_for) == (Ending.STOPPED, "cancelled")
    assert not (tmp_path / "acted").exists()


def test_a_zombie_leader_with_living_threads_counts_as_alive() -> None:
    code = """
import ctypes, os, threading, time
if os.fork() == 0:
    os.setsid()
    os.write(1, b"%d\\n" % os.getpid())
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).syscall(60, 0)
time.sleep(0.3)
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the number of the system call is that of x86-64")
    ran = go(*python(code))
    assert ran.ended.leftovers == 1
    assert not os.path.exists(f"/proc/{ran.pids[0]}")


def test_a_process_that_forks_and_exits_without_end_is_caught() -> None:
    code = """
import os, time
os.write(1, b"x")
end = time.monotonic() + 20  # should it ever get away, it plagues the machine no longer than that
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
"""
    ran = go(*python(code), kill_grace_s=0.1)
    assert (ran.ended.ending, ran.ended.code) == (Ending.EXITED, 0)
    assert ran.ended.leftovers >= 1


def test_a_hundred_forking_processes_leave_no_survivor() -> None:
    code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for n in range(50):
    if os.fork() == 0:
        if n % 2: os.setsid()
        os.write(1, b"%d\\n" % os.getpid())
        for _ in range(300):
            if os.fork() == 0: time.sleep(0.2); os._exit(0)
            time.sleep(0.1)
        os._exit(0)
time.sleep(60)
"""
    ran = go(*python(code), stopping=after(50), marker=Marker("LP-bomb", 1))
    assert ran.ended.ending is Ending.STOPPED
    assert not [pid for pid in ran.pids if lives(pid)]


def test_a_fork_bomb_under_a_process_limit_leaves_no_survivor() -> None:
    drop: tuple[str, ...] = ()
    if os.geteuid() == 0:  # the limit does not bind root
        if shutil.which("setpriv", path=ENV["PATH"]) is None:
            pytest.skip("RLIMIT_NPROC does not bind root, and there is no setpriv to become somebody else")
        drop = ("setpriv", "--reuid=54321", "--clear-groups")
    code = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"up\\n")
end = time.monotonic() + 30
while time.monotonic() < end:
    try: os.fork()
    except OSError: os.write(2, b"full\\n")
"""
    ran = go(
        *drop,
        *python(code),
        marker=Marker("LP-bomb", 1),
        limits=Limits(processes=150),
        stopping=lambda ran: "full" if b"full" in ran.stderr else None,
    )
    assert ran.ended.stopped_for == "full"
    assert not [proc.pid for proc in scan(set()) if b"LOOPY_RUN=LP-bomb" in environ(proc.pid)]
