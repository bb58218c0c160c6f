"""The fence of rule 9: who holds the run's lock acts, only while the claim is current, and a newer claim ends an older."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from loopy.domain.errors import LostError, ProcessError
from loopy.process.command import Ending, Marker
from loopy.process.groups import read_record, take_over
from loopy.process.lock import try_lock
from loopy.process.table import start_time
from tests.process.procs import ENV, FAMILY, go, lives, python, read_pids, stopped, until, worker

pytestmark = [  # families of real processes, and time for them to end; the main path is in test_process_run.py
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="a subreaper is needed for daemons"),
]


def claim(token: int) -> Marker:
    return Marker("LP-1.1", token)


def guard_pid(lock: Path) -> int:
    record = read_record(lock)
    assert record is not None
    return record.pid


def test_a_command_whose_claim_is_not_current_never_starts(tmp_path: Path) -> None:
    ran = go("touch", "acted", cwd=tmp_path, lock=tmp_path / "lock", marker=claim(3), authorised=lambda: False)
    assert (ran.ended.ending, ran.ended.why) == (Ending.LOST, "the claim is no longer current")
    assert not (tmp_path / "acted").exists()
    assert ran.started == []


def test_the_claim_is_looked_at_while_the_lock_is_held_and_signed(tmp_path: Path) -> None:
    lock, seen = tmp_path / "lock", []

    def authorised() -> bool:
        seen.append((try_lock(lock), read_record(lock)))
        return True

    assert go("true", lock=lock, marker=claim(3), authorised=authorised).ended.ok
    ((held, record),) = seen
    assert held is None
    assert record is not None
    assert (record.run, record.token) == ("LP-1.1", 3)
    assert not lives(record.pid)


def test_the_lock_is_held_until_the_last_process_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    ran = go(*python(FAMILY.removesuffix("stay()\n")), lock=lock, marker=claim(3))
    fd = try_lock(lock)
    assert fd is not None
    os.close(fd)
    assert not [pid for pid in ran.pids if lives(pid)]


def test_a_guard_that_ends_in_order_leaves_an_empty_lock_file_so_that_nobody_need_search(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    for argv in (("true",), ("no-such-program",), ("sleep", "60")):
        go(*argv, lock=lock, marker=claim(3), wall_s=0.1)
        assert lock.read_bytes() == b""


def test_commands_of_one_run_act_one_after_the_other(tmp_path: Path) -> None:
    script = "mkdir busy || echo clash; sleep 0.1; rmdir busy"
    outs: list[bytes] = []

    def act() -> None:
        outs.append(go("sh", "-c", script, cwd=tmp_path, lock=tmp_path / "lock", marker=claim(3)).stdout)

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outs == [b""] * 4


def test_a_claim_that_goes_while_the_lock_is_waited_for_is_lost(tmp_path: Path) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    ran = go("true", lock=tmp_path / "lock", marker=claim(3), authorised=lambda: False)
    os.close(fd)
    assert (ran.ended.ending, ran.started) == (Ending.LOST, [])


def test_a_lock_that_cannot_be_had_in_time_is_lost(tmp_path: Path) -> None:
    fd = try_lock(tmp_path / "lock")
    assert fd is not None
    ran = go("true", lock=tmp_path / "lock", marker=claim(3), lock_patience_s=0.2)
    os.close(fd)
    assert ran.ended.ending is Ending.LOST
    assert "lock is held" in ran.ended.why


def test_a_newer_claim_kills_the_older_group_and_has_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = worker(python(FAMILY, "washed"), lock=str(lock), token=3)
    pids = read_pids(process, 4)
    take_over(lock, claim(4))
    assert not [pid for pid in pids if lives(pid)]
    assert process.communicate(timeout=10)[1] == b"lost"
    assert go("true", lock=lock, marker=claim(4)).ended.ok


def test_a_newer_claim_needs_no_help_from_a_frozen_worker_and_guard(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = worker(python(FAMILY, "washed"), lock=str(lock), token=3)
    pids = read_pids(process, 4)
    guard = guard_pid(lock)
    with stopped(process.pid, guard):
        take_over(lock, claim(4))
        assert not [pid for pid in [*pids, guard] if lives(pid)]
        process.kill()
    process.communicate()


def test_survivors_of_a_killed_worker_and_guard_are_found_by_their_mark(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = worker(python(FAMILY), lock=str(lock), token=3)
    pids = read_pids(process, 3)
    guard = guard_pid(lock)
    os.kill(process.pid, signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    process.kill()
    process.communicate()
    until(lambda: not lives(guard))
    assert [pid for pid in pids if lives(pid)]
    take_over(lock, claim(4))
    assert not [pid for pid in pids if lives(pid)]


def test_an_older_claim_ends_itself_and_harms_nobody(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    process = worker(python(FAMILY), lock=str(lock), token=5)
    pids = read_pids(process, 3)
    with pytest.raises(LostError, match="token 4 is behind: token 5 acts"):
        take_over(lock, claim(4))
    assert all(lives(pid) for pid in pids)
    process.kill()
    process.communicate()
    until(lambda: not any(map(lives, pids)))


def test_processes_of_the_same_run_in_another_home_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    process = worker(python(FAMILY), lock=str(tmp_path / "lock"), token=3)
    pids = read_pids(process, 3)
    take_over(tmp_path / "other", claim(9))
    assert all(lives(pid) for pid in pids)
    process.kill()
    process.communicate()
    until(lambda: not any(map(lives, pids)))


def test_a_stale_record_never_kills_whoever_has_the_number_now(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    bystander = worker(("sleep", "60"))
    fd = try_lock(lock)
    assert fd is not None
    start = start_time(bystander.pid)
    assert start is not None
    lock.write_text(json.dumps({"run": "LP-1.1", "token": 1, "pid": bystander.pid, "start": start + 1}))
    with pytest.raises(ProcessError, match="is still held"):
        take_over(lock, claim(4), patience_s=0.2)
    assert lives(bystander.pid)
    os.close(fd)
    bystander.kill()
    bystander.communicate()


def test_the_record_of_a_dead_holder_makes_nobody_lose(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    gone = go("true").started[0]
    lock.write_text(json.dumps({"run": "LP-1.1", "token": 9, "pid": gone, "start": 1}))
    fd = try_lock(lock)
    assert fd is not None
    with pytest.raises(ProcessError, match="is still held"):
        take_over(lock, claim(4), patience_s=0.1)
    os.close(fd)
    take_over(lock, claim(4))


def test_a_run_that_never_acted_is_taken_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    take_over(tmp_path / "lock", claim(1))
    assert time.monotonic() - began < 0.1
    assert not (tmp_path / "lock").exists()


def test_our_own_earlier_command_is_waited_for(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    ended: list[Ending] = []
    thread = threading.Thread(target=lambda: ended.append(go("sleep", "0.5", lock=lock, marker=claim(4)).ended.ending))
    thread.start()
    until(lambda: (record := read_record(lock)) is not None and record.token == 4)
    take_over(lock, claim(4))
    fd = try_lock(lock)
    thread.join()
    assert fd is not None
    os.close(fd)
    assert ended == [Ending.EXITED]


def test_a_worker_that_runs_inside_a_marked_command_never_kills_itself(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from loopy.process.command import Marker
from loopy.process.groups import _slay, table
from loopy.process.mark import token_in
lock = Path(sys.argv[2])
print(_slay(lambda proc: token_in(table.environ(proc.pid), lock, "LP-1.1") == 3), flush=True)
"""
    from tests.process.procs import ROOT

    ran = go(sys.executable, "-c", code, str(ROOT), str(lock), lock=lock, marker=claim(3), env=ENV)
    assert (ran.stdout, ran.ended.code) == (b"0\n", 0)


def test_however_claims_race_no_two_commands_of_a_run_ever_act_at_once(tmp_path: Path) -> None:
    lock, tokens, current = tmp_path / "lock", iter(range(1, 41)), [0]
    mutex = threading.Lock()
    endings: list[Ending] = []
    script = "exec 9>busy; flock -n 9 || echo clash >> clashes; trap '' TERM; sleep 0.1; sleep 0.1"

    def claimant() -> None:
        while True:
            with mutex:
                token = next(tokens, None)
                if token is None:
                    return
                current[0] = token
            try:
                take_over(lock, claim(token))
            except LostError:
                endings.append(Ending.LOST)
                continue
            mine = lambda token=token: current[0] == token  # noqa: E731
            endings.append(
                go("sh", "-c", script, cwd=tmp_path, lock=lock, marker=claim(token), authorised=mine).ended.ending
            )

    threads = [threading.Thread(target=claimant) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not (tmp_path / "clashes").exists()
    assert len(endings) == 40
    assert set(endings) <= {Ending.EXITED, Ending.LOST}
