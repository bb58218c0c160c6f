"""The worker's side of killing: take a run over from older claims, and clean up after a guard that was killed itself."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopy.domain.errors import LostError, ProcessError
from loopy.process import table
from loopy.process.command import Marker
from loopy.process.hunt import Proc, pursue, send, slay
from loopy.process.lock import sign, try_lock
from loopy.process.mark import token_in


@dataclass(frozen=True, slots=True)
class Record:
    """Who holds the lock of a run, or died with it: the claim, and the guard's process."""

    run: str
    token: int
    pid: int
    start: int


def read_record(lock: Path) -> Record | None:
    """Return what the lock file says, None if nothing, or if it is being written this moment."""
    try:
        return Record(**json.loads(lock.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def take_over(lock: Path, marker: Marker, *, patience_s: float = 15.0) -> None:
    """Kill every group of this run with a lower token and return when the run's lock has been had (and given back).

    Raise LostError if a living guard with a higher token holds it, ProcessError if it cannot be had in time. A lock
    file that does not exist means that no guard ever acted for this run.
    """
    until = time.monotonic() + patience_s
    while lock.exists():
        fd = try_lock(lock)
        if fd is not None:
            try:
                if os.fstat(fd).st_size:  # the last holder did not end in order
                    _slay(lambda proc: _is_older(proc.pid, lock, marker))  # nobody can begin to act while we hold it
                    sign(fd, b"")
            finally:
                os.close(fd)
            return
        _unseat(lock, marker)
        if time.monotonic() > until:
            raise ProcessError(
                "run lock", f"{lock} is still held by {read_record(lock)}", hint="see who holds that file"
            )
        time.sleep(0.02)


def kill_guard(pid: int, start: int) -> int:
    """Kill a guard with all that lives below it, frozen first so that it starts nothing more; return how many died."""
    guard = Proc(pid, 0, 0, 0, start)
    send(guard, signal.SIGSTOP)
    slain = _slay(lambda proc: proc.ppid == pid and table.start_time(pid) == start)
    send(guard, signal.SIGKILL)
    return slain


def kill_command(child: Proc | None, mark: bytes) -> int:
    """Kill what is left of a command whose guard is dead: its session, the bearers of its mark, and all below them."""

    def belongs(proc: Proc) -> bool:
        if child is not None and child.pid in (proc.sid, proc.pgid):
            leader = table.look_up(child.pid)  # one with another start time means that the number was reused
            if leader is None or leader.start == child.start:
                return True
        return bool(mark) and mark in table.environ(proc.pid)

    return _slay(belongs)


def _unseat(lock: Path, marker: Marker) -> None:
    """Kill the living holder of the lock if its token is lower than ours."""
    holder = read_record(lock)
    if holder is None or table.start_time(holder.pid) != holder.start:
        return  # the record is of an earlier holder; the present one has not signed yet
    if holder.token > marker.token:
        raise LostError(marker.run_id, f"token {marker.token} is behind: token {holder.token} acts for this run")
    if holder.token < marker.token:
        kill_guard(holder.pid, holder.start)


def _is_older(pid: int, lock: Path, marker: Marker) -> bool:
    """Whether the process acts for this run with a lower token."""
    token = token_in(table.environ(pid), lock, marker.run_id)
    return token is not None and token < marker.token


def _slay(belongs: Callable[[Proc], bool]) -> int:
    """Kill all that belongs and all below it, but never ourselves nor those we descend from; return how many died."""
    known: set[int] = set()
    empty = iter([False])  # found nothing once: look again, without a subreaper nobody tells us that it is over
    return len(slay(lambda: pursue(table.scan(known), belongs), lambda: next(empty, True), avoid=_kin()))


def _kin() -> set[int]:
    """Return the pids of this process and of those it descends from."""
    pids, proc = {os.getpid()}, table.look_up(os.getppid())
    while proc is not None:
        pids.add(proc.pid)
        proc = table.look_up(proc.ppid)
    return pids
