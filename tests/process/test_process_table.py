"""Processes are told apart by number and start, on Linux and elsewhere; time asleep does not count."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loopy.process import table
from loopy.process.clock import AwakeClock
from loopy.process.hunt import Proc, send
from loopy.process.lock import try_lock
from loopy.process.mark import fresh_mark, token_in
from tests.process.procs import python


@pytest.fixture
def sleeper() -> object:
    process = subprocess.Popen(
        python("import os, signal; os.write(1, b'.'); signal.pause()"), env={"A": "1"}, stdout=-1
    )
    assert process.stdout is not None
    process.stdout.read(1)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_psutil_and_proc_see_the_same(sleeper: subprocess.Popen[bytes]) -> None:
    ours, theirs = table.look_up(sleeper.pid), table.psutil_look_up(sleeper.pid)
    assert ours is not None
    assert theirs is not None
    assert (
        (ours.ppid, ours.pgid, ours.sid)
        == (theirs.ppid, theirs.pgid, theirs.sid)
        == (os.getpid(), os.getpgid(0), os.getsid(0))
    )
    assert b"A=1" in table.environ(sleeper.pid)
    assert b"A=1" in table.psutil_environ(sleeper.pid)
    known: set[int] = set()
    assert sleeper.pid in {proc.pid for proc in table.psutil_scan(known)} & {proc.pid for proc in table.scan(set())}
    assert sleeper.pid in known


def test_a_zombie_is_not_living_by_either(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert table.look_up(sleeper.pid) is None
    assert table.psutil_look_up(sleeper.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="start times are verified by /proc")
def test_a_signal_never_reaches_a_process_that_got_the_number_later(sleeper: subprocess.Popen[bytes]) -> None:
    proc = table.look_up(sleeper.pid)
    assert proc is not None
    send(Proc(proc.pid, 0, 0, 0, proc.start - 1), signal.SIGTERM)
    send(proc, signal.SIGKILL)
    assert sleeper.wait() == -signal.SIGKILL


def test_new_processes_come_first_in_the_next_scan(sleeper: subprocess.Popen[bytes]) -> None:
    known = {proc.pid for proc in table.scan(set())} - {sleeper.pid}
    assert sleeper.pid in [proc.pid for proc in table.scan(known)][:5]


def test_a_gap_between_two_looks_counts_two_seconds_at_most() -> None:
    now = [100.0]
    clock = AwakeClock(lambda: now[0])
    for step, counted in [(0.5, 0.5), (1.5, 2.0), (3600.0, 4.0), (0.0, 4.0), (2.0, 6.0)]:
        now[0] += step
        assert clock.look() == counted


def test_a_lock_is_of_the_file_that_is_there_now(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert try_lock(tmp_path / "lock") is None
    (tmp_path / "lock").unlink()
    second = try_lock(tmp_path / "lock")
    assert second is not None
    os.close(first)
    assert try_lock(tmp_path / "lock") is None
    os.close(second)


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_not_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def late(fd: int, how: int) -> None:
        (tmp_path / "lock").unlink()
        (tmp_path / "lock").touch()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert try_lock(tmp_path / "lock") is None


def test_a_mark_tells_run_home_and_token(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    environ = [b"LOOPY_RUN=LP-1.1", b"LOOPY_TOKEN=7", fresh_mark(lock)]
    assert token_in(environ, lock, "LP-1.1") == 7
    assert token_in(environ, lock, "LP-1.10") is None
    assert token_in(environ, tmp_path / "other", "LP-1.1") is None
    assert token_in([*environ[:1], b"LOOPY_TOKEN=x", *environ[2:]], lock, "LP-1.1") is None
    assert fresh_mark(lock) != fresh_mark(lock)
