"""Find processes by descent or by a mark in their environment, and signal exactly those.

Standard library only and no heavy imports: the guard is made of this.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # importing `typing` would cost the guard 5 ms
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Container, Iterable, Iterator
else:
    import _signal as signal  # `signal` is this plus enums, which cost 6 of the guard's 20 ms

LINUX = sys.platform == "linux"


class Proc:
    """A living process: `pid` alone may be reused, `pid` with `start` is one process. `start` 0: a whole group."""

    __slots__ = ("pgid", "pid", "ppid", "sid", "start")

    def __init__(self, pid: int, ppid: int, pgid: int, sid: int, start: int) -> None:
        self.pid, self.ppid, self.pgid, self.sid, self.start = pid, ppid, pgid, sid, start


def slurp(path: str) -> bytes:
    """Return the file's bytes, b"" if it is gone or not for us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        text = b""
        while chunk := os.read(fd, 65536):
            text += chunk
        return text
    except OSError:
        return b""
    finally:
        os.close(fd)


def look_up(pid: int) -> Proc | None:
    """Return the process (Linux); None if it is gone or only waits to be reaped."""
    text = slurp(f"/proc/{pid}/stat")
    if not text:
        return None
    rest = text[text.rindex(b")") + 2 :].split(None, 20)  # the name before may hold spaces and brackets
    ended = rest[0] in b"ZXx"
    if ended and int(rest[17]) < 2:  # a zombie whose other threads run on is alive
        return None
    return Proc(pid, int(rest[1]), int(rest[2]), int(rest[3]), int(rest[19]))


def scan(known: set[int]) -> Iterator[Proc]:
    """Yield every living process that /proc shows, first those not `known` from the last scan; update `known`."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    pids.sort(key=known.__contains__)
    known.clear()
    known.update(pids)
    for pid in pids:
        proc = look_up(pid)
        if proc is not None:
            yield proc


def lingering(which: Callable[[Proc], bool], seconds: float) -> list[Proc]:
    """Return the processes but our own of which it still holds after so long; [] as soon as there is none."""
    give_up = time.monotonic() + seconds
    while True:
        found = [proc for proc in scan(set()) if proc.pid != os.getpid() and which(proc)]
        if not found or time.monotonic() > give_up:
            return found
        time.sleep(0.1)


def pursue(procs: Iterable[Proc], belongs: Callable[[Proc], bool]) -> Iterator[Proc]:
    """Yield at once each process that belongs (it may fork and be gone a moment later), then all below those."""
    seen: dict[int, Proc] = {}
    roots: set[int] = set()
    for proc in procs:
        seen[proc.pid] = proc
        if belongs(proc):
            roots.add(proc.pid)
            yield proc
    for pid in descendants(seen, roots):
        yield seen[pid]


def descendants(procs: dict[int, Proc], roots: set[int]) -> set[int]:
    """Return the pids below `roots`, without the roots."""
    children: dict[int, list[int]] = {}
    for proc in procs.values():
        children.setdefault(proc.ppid, []).append(proc.pid)
    found: set[int] = set()
    todo = [*roots]
    while todo:
        new = [pid for pid in children.get(todo.pop(), ()) if pid not in found]
        found.update(new)
        todo += new
    return found - roots


def carries(pid: int, mark: bytes) -> bool:
    """Whether the process was started with the variable `mark` (NAME=VALUE) in its environment (Linux)."""
    return b"\0" + mark + b"\0" in b"\0" + slurp(f"/proc/{pid}/environ")


def send(proc: Proc, signum: int) -> bool:
    """Signal exactly this process, never one that got its number later; False if it is not ours to signal."""
    try:
        if proc.start == 0:
            os.killpg(proc.pid, signum)
        else:
            _send_verified(proc, signum)
    except ProcessLookupError:
        pass
    except PermissionError:
        return False
    return True


def _send_verified(proc: Proc, signum: int) -> None:
    try:
        fd = os.pidfd_open(proc.pid) if LINUX else -1
    except ProcessLookupError:
        raise
    except OSError:
        fd = -1  # an old kernel, or one that forbids it
    try:
        now = look_up(proc.pid) if LINUX else proc
        if now is None or now.start != proc.start:
            return
        if fd >= 0:
            signal.pidfd_send_signal(fd, signum)
        else:
            os.kill(proc.pid, signum)
    finally:
        if fd >= 0:
            os.close(fd)


def slay(find: Callable[[], Iterable[Proc]], over: Callable[[], bool], avoid: Container[int] = ()) -> set[int]:
    """Kill what `find` finds until nothing is found and it is `over`; return the pids.

    Each is killed the moment it is found: the chase after a process that forks and exits without end is won only so. An
    empty find alone proves nothing, it may have come between two of those.
    """
    slain: set[int] = set()
    beyond: set[int] = set()  # set-uid programs of another user
    pause_s = 0.0005
    while True:
        found = [proc for proc in find() if proc.pid not in avoid and not _escapes(proc, beyond)]
        slain.update([proc.pid for proc in found])
        if not found and (beyond or over()):
            return slain
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)


def _escapes(proc: Proc, beyond: set[int]) -> bool:
    if not send(proc, signal.SIGKILL):
        beyond.add(proc.pid)
    return proc.pid in beyond


def group_lives(pgid: int) -> bool:
    """Whether the process group has a member."""
    try:
        os.killpg(pgid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
