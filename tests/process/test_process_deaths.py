"""However the worker or the guard ends, falls silent or freezes, nothing of the command survives."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from loopy.process.command import Ending, Marker
from loopy.process.groups import read_record
from loopy.process.lock import try_lock
from loopy.process.table import scan
from tests.process.procs import FAMILY, Ran, go, guard_of, lives, python, read_pids, stopped, until, worker

pytestmark = [  # families of real processes, and time for them to end; the main path is in test_process_run.py
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is needed for daemons"),
]

MARKER = Marker("LP-1.1", 3)


def free(lock: Path) -> bool:
    """Whether nobody holds the lock."""
    fd = try_lock(lock)
    if fd is not None:
        os.close(fd)
    return fd is not None


def test_a_guard_that_is_told_to_end_stops_its_command() -> None:
    def tell(ran: Ran) -> None:
        os.kill(guard_of(ran.started[0]), signal.SIGTERM)

    ran = go("sleep", "60", stopping=tell)
    assert ran.ended.ending is Ending.STOPPED
    assert ran.ended.stopped_for


def test_when_the_guard_is_killed_the_command_is_lost_and_nothing_survives(tmp_path: Path) -> None:
    def kill(ran: Ran) -> None:
        if ran.stdout.count(b"\n") == 3:
            os.kill(guard_of(ran.started[0]), signal.SIGKILL)

    ran = go(*python(FAMILY), stopping=kill, marker=MARKER, lock=tmp_path / "lock")
    assert (ran.ended.ending, ran.ended.why) == (Ending.LOST, "the guard was killed")
    assert not [pid for pid in ran.pids if lives(pid)]
    assert free(tmp_path / "lock")


def test_a_frozen_guard_is_killed_with_all_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopy.process.runner._STUCK_S", 0.2)

    def freeze(ran: Ran) -> str | None:
        if ran.stdout.count(b"\n") < 4:
            return None
        os.kill(guard_of(ran.started[0]), signal.SIGSTOP)
        return "enough"

    ran = go(*python(FAMILY, "washed"), stopping=freeze, marker=MARKER, lock=tmp_path / "lock")
    assert (ran.ended.ending, ran.ended.stopped_for) == (Ending.STOPPED, "enough")
    assert not [pid for pid in ran.pids if lives(pid)]
    assert free(tmp_path / "lock")


def test_when_the_worker_is_killed_all_of_its_command_is_gone_in_three_seconds(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = worker(python(FAMILY, "washed"), lock=str(lock), token=3, kill_grace_s=5.0)
    pids = read_pids(process, 4)
    record = read_record(lock)
    assert record is not None
    assert not free(lock)
    process.kill()
    process.communicate()
    until(lambda: not any(map(lives, [*pids, record.pid])), within_s=3.5)
    assert free(lock)


def test_a_silent_worker_loses_its_command_and_learns_it_when_it_wakes(tmp_path: Path) -> None:
    process = worker(python(FAMILY, "washed"), lock=str(tmp_path / "lock"), token=3, silence_s=0.5, kill_grace_s=9.0)
    pids = read_pids(process, 4)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        until(lambda: not any(map(lives, pids)), within_s=5.0)
        until(lambda: free(tmp_path / "lock"))
    finally:
        os.kill(process.pid, signal.SIGCONT)
    assert process.communicate(timeout=10)[1] == b"silent"


def test_a_worker_that_pings_keeps_a_quiet_command_alive() -> None:
    assert go("sleep", "1.2", silence_s=0.4).ended.ok


def test_the_command_dies_with_its_guard_even_if_nobody_else_is_left() -> None:
    process = worker(("sh", "-c", "echo $$; sleep 60"))
    (child,) = read_pids(process, 1)
    guard = guard_of(child)
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    until(lambda: not lives(child))
    process.kill()
    process.communicate()


def test_a_guard_that_waits_for_the_lock_ends_with_its_worker(tmp_path: Path) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    process = worker(("true",), lock=str(tmp_path / "lock"), token=3)
    until(lambda: [proc for proc in scan(set()) if proc.ppid == process.pid])
    (guard,) = [proc.pid for proc in scan(set()) if proc.ppid == process.pid]
    process.kill()
    process.communicate()
    until(lambda: not lives(guard))
    os.close(fd)


def test_a_pause_of_worker_and_guard_together_kills_nothing() -> None:
    process = worker(("sh", "-c", "echo $$; sleep 4.5; echo done"), silence_s=2.5, idle_s=3.0)
    (child,) = read_pids(process, 1)
    guard = guard_of(child)
    with stopped(process.pid, guard):
        time.sleep(4.0)  # longer than the silence: the pause itself is under test
    assert process.communicate(timeout=10) == (b"done\n", b"exited")
