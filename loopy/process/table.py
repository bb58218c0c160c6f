"""The table of processes on any system: straight from /proc on Linux (a tenth of the time), by psutil elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator

from loopy.process import hunt
from loopy.process.hunt import LINUX, Proc


def look_up(pid: int) -> Proc | None:
    """Return the living process with that number, None if it is gone or a zombie."""
    return hunt.look_up(pid) if LINUX else psutil_look_up(pid)


def scan(known: set[int]) -> Iterator[Proc]:
    """Yield every living process, first those not `known` from the last scan; update `known`."""
    return hunt.scan(known) if LINUX else psutil_scan(known)


def environ(pid: int) -> list[bytes]:
    """Return the environment the process was started with as NAME=VALUE; empty if it is not ours to read."""
    return hunt.slurp(f"/proc/{pid}/environ").split(b"\0") if LINUX else psutil_environ(pid)


def start_time(pid: int) -> int | None:
    """Return when the process started, in a unit of this system that only serves to tell two processes apart."""
    proc = look_up(pid)
    return None if proc is None else proc.start


def psutil_look_up(pid: int) -> Proc | None:
    """Return the process as psutil sees it; `start` is in hundredths of a second."""
    import psutil

    try:
        seen = psutil.Process(pid)
        if seen.status() == psutil.STATUS_ZOMBIE:
            return None
        return Proc(pid, seen.ppid(), os.getpgid(pid), os.getsid(pid), round(seen.create_time() * 100))
    except (psutil.Error, OSError):
        return None


def psutil_scan(known: set[int]) -> Iterator[Proc]:
    """Yield every living process as psutil sees it, first those not `known`; update `known`."""
    import psutil

    pids = sorted(psutil.pids(), key=known.__contains__)
    known.clear()
    known.update(pids)
    for pid in pids:
        proc = psutil_look_up(pid)
        if proc is not None:
            yield proc


def psutil_environ(pid: int) -> list[bytes]:
    """Return the environment as psutil sees it."""
    import psutil

    try:
        return [os.fsencode(f"{name}={value}") for name, value in psutil.Process(pid).environ().items()]
    except (psutil.Error, OSError):
        return []
