"""The guard: a small process between the worker and one command; however the worker ends, the command ends with it.

It runs on its own (`-I -S`, see `spawn.py`) and loads a few small modules of this folder, nothing else of Loopy.
Descriptors 0, 1 and 2 are the command's own, so its output never passes through here. Control brings a length (8 bytes),
a marshalled spec, then the lines `go`, `ping` and `stop`. Status takes the lines `locked`, `started PID`,
`refused STAGE ERRNO`, `exited WHY STATUS LEFTOVERS` and `failed TEXT`.
"""

from __future__ import annotations

import marshal
import os
import select
import sys
import time

from loopy.process.become import SET_CHILD_SUBREAPER, SET_NAME, become, prctl
from loopy.process.clock import AwakeClock
from loopy.process.hunt import LINUX, Proc, carries, group_lives, look_up, pursue, scan, send, slay
from loopy.process.lock import sign, try_lock
from loopy.process.silence import GRACE_PART, LONGEST_GRACE_S, LONGEST_LOOK_S, LOOK_PART

TYPE_CHECKING = False  # importing `typing` would cost the guard 5 ms
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable
    from typing import Any
else:
    import _signal as signal  # `signal` is this plus enums, which cost 6 of the guard's 20 ms

URGENT_GRACE_S = LONGEST_GRACE_S  # when the worker is dead or silent
STRAY_GRACE_S = 1.0  # for what is left when the command's own process has ended
SETTLE_S = 0.05  # children that are about to end by themselves are no strays


class Guard:
    """The keeper of one command; `reason` says why it must end, "" as long as it may go on."""

    def __init__(self, control: int, status: int) -> None:
        self.control, self.status = control, status
        self.inbox, self.reason, self.go = b"", "", False
        self.child, self.ended, self.childless = 0, -1, True
        self.clock, self.heard_at, self.started_at = AwakeClock(), 0.0, float("inf")
        self.wall_s = self.silence_s = float("inf")
        self.mark, self.since, self.boxed = b"", 0, False
        self.known: set[int] = set()
        self.bell, bell = os.pipe()
        for fd in (self.bell, bell):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, lambda *_: self.end_for("told"))

    def end_for(self, reason: str) -> None:
        """Note why the command must end; the first reason counts."""
        self.reason = self.reason or reason

    def tell(self, line: str) -> None:
        """Say one line to the worker; a dead worker hears nothing, which is no error."""
        try:  # noqa: SIM105 - contextlib would cost 5 ms at each start
            os.write(self.status, line.encode(errors="replace") + b"\n")
        except OSError:
            pass

    def look(self, timeout_s: float) -> None:
        """Wait for news at most so long; then reap, listen and judge the clocks."""
        poll = select.poll()
        poll.register(self.bell, select.POLLIN)
        if self.control >= 0:
            poll.register(self.control, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout_s * 1000)}
        now = self.clock.look()
        if self.bell in ready:
            os.read(self.bell, 4096)
        if self.control in ready:
            self.heard_at = now
            self.listen()
        self.reap()
        if now - self.heard_at > self.silence_s:
            self.end_for("silent")
        if now - self.started_at > self.wall_s:
            self.end_for("deadline")

    def watch(self) -> None:
        """Look as long as nothing can fall due meanwhile; often enough that no gap is taken for a sleep."""
        left = self.started_at + self.wall_s - self.clock.look()
        self.look(max(0.01, min(LONGEST_LOOK_S, self.silence_s * LOOK_PART, left)))

    def listen(self) -> None:
        """Take in what the worker said; the end of the pipe is the end of the worker."""
        said = os.read(self.control, 65536)
        if not said:
            os.close(self.control)
            self.control = -1
            self.end_for("orphaned")
        *lines, self.inbox = (self.inbox + said).split(b"\n")
        self.go = self.go or b"go" in lines
        if b"stop" in lines:
            self.end_for("stopped")

    def reap(self) -> None:
        """Collect the command's own end, and adopted children that ended."""
        try:
            while (got := os.waitpid(-1, os.WNOHANG))[0]:
                if got[0] == self.child:
                    self.ended = got[1]
            self.childless = False
        except ChildProcessError:
            self.childless = True

    def survivors(self) -> Iterable[Proc]:
        """Find what lives of the command: as a subreaper we are the ancestor of all of it; others carry the mark."""
        self.reap()
        if not self.child or (self.childless and not self.mark):
            return ()
        if not LINUX:
            return [Proc(self.child, 0, 0, 0, 0)] if group_lives(self.child) else ()
        me = os.getpid()
        return pursue(scan(self.known), lambda proc: proc.ppid == me or self.marked(proc))

    def marked(self, proc: Proc) -> bool:
        """Whether the process carries the mark; those older than the command cannot."""
        return bool(self.mark) and proc.start >= self.since and carries(proc.pid, self.mark)

    def alone(self) -> bool:
        """Whether nothing lives of the command; a subreaper without children has no descendants, so the kernel says."""
        alive = any(True for _ in self.survivors())
        self.reap()
        return not alive and (self.childless or not LINUX)

    def take(self, path: bytes, record: bytes) -> int:
        """Wait for the run's lock and sign it; -1 if a reason to end came first."""
        while not self.reason:
            fd = try_lock(path)
            if fd is not None:
                sign(fd, record)
                return fd
            self.look(0.02)
        return -1

    def serve(self, spec: dict[str, Any]) -> None:
        """The life of one command: lock, word of the worker, start, watch, sweep, report."""
        self.wall_s, self.silence_s, self.mark = spec["wall_s"], spec["silence_s"], spec["mark"]
        self.boxed = spec["boxed"]
        lock = self.take(spec["lock"], spec["record"]) if spec["lock"] else -1
        if not self.reason:
            self.tell("locked")
        prctl(SET_CHILD_SUBREAPER, 1)  # the 4 ms of ctypes pass while the worker looks whether we may go on
        prctl(SET_NAME, b"loopy-guard")
        while not (self.go or self.reason):
            self.watch()
        why, leftovers = self.reason, 0
        if not why and self.start(spec):
            while self.ended < 0 and not self.reason:
                self.watch()
            why = self.reason if self.ended < 0 else "exited"
            leftovers = self.clear(spec["grace_s"])
        if lock >= 0:
            sign(lock, b"")  # an empty file says that nothing was left behind
            os.close(lock)
        self.tell(f"exited {why or 'refused'} {self.ended} {leftovers}")

    def start(self, spec: dict[str, Any]) -> bool:
        """Start the command in a session of its own; say what refused it, if something did."""
        news, report = os.pipe()
        self.since = start.start if LINUX and (start := look_up(os.getpid())) else 0
        me, child = os.getpid(), os.fork()
        if child == 0:
            become(spec, report, me)
        self.child = child
        os.close(report)
        refusal = os.read(news, 200)  # ends at the exec
        os.close(news)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd, inheritable=False)
        if refusal:
            self.tell(f"refused {refusal.decode()}")
            return False
        self.started_at = self.clock.look()
        self.tell(f"started {child}")
        return True

    def clear(self, grace_s: float) -> int:
        """End all that lives of the command; return how many there were beside its own process."""
        if self.ended < 0:
            return len(self.end(self.patience(grace_s)) - {self.child})
        until = time.monotonic() + SETTLE_S
        while not self.alone():
            if time.monotonic() > until:
                strays = {proc.pid for proc in self.survivors()}
                return max(
                    1, len(strays | self.end(min(grace_s, STRAY_GRACE_S)))
                )  # one that forks and exits may show in no list
            self.look(0.005)
        return 0

    def patience(self, grace_s: float) -> float:
        """Return how long the command may take to end; without a worker that is little, before its lease is over."""
        match self.reason:
            case "stopped" | "deadline" | "told":
                return grace_s
            case "silent":
                return min(grace_s, URGENT_GRACE_S, self.silence_s * GRACE_PART)
            case _:
                return min(grace_s, URGENT_GRACE_S)

    def end(self, grace_s: float) -> set[int]:
        """Ask everything to end, wait, then kill what is left; return the killed."""
        asked = list(self.survivors())
        if self.boxed:  # the box's own process would take all inside with it at once, and nobody could end in order
            asked = [proc for proc in asked if proc.pid != self.child]
        elif any(proc.pgid == self.child or proc.start == 0 for proc in asked):
            asked = [proc for proc in asked if proc.pgid != self.child and proc.start]
            asked.append(Proc(self.child, 0, 0, 0, 0))  # its group as one, so that nobody gets the signal twice
        for proc in asked:
            send(proc, signal.SIGTERM)
            send(proc, signal.SIGCONT)
        begun = time.monotonic()
        until = begun + grace_s
        while not self.alone() and time.monotonic() < until:
            if self.ended >= 0:
                until = min(until, begun + STRAY_GRACE_S)
            if self.control < 0:
                until = min(until, begun + URGENT_GRACE_S)
            self.look(0.05)
        return slay(self.survivors, self.alone)


def receive(control: int) -> dict[str, Any] | None:
    """Return the spec, None if the worker died before it was through."""
    told = b""
    while len(told) < 8 or len(told) < 8 + int.from_bytes(told[:8], "big"):
        wanted = 8 if len(told) < 8 else 8 + int.from_bytes(told[:8], "big")
        chunk = os.read(control, wanted - len(told))
        if not chunk:
            return None
        told += chunk
    spec: dict[str, Any] = marshal.loads(told[8:])  # noqa: S302 - from our own worker, over a private pipe
    return spec


def main() -> None:
    """Guard one command from its spec to its last process; the arguments are the two pipes."""
    control, status = int(sys.argv[1]), int(sys.argv[2])
    for fd in (control, status):
        os.set_inheritable(fd, False)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    guard = Guard(control, status)
    try:
        spec = receive(control)
        if spec is not None:
            guard.serve(spec)
    except BaseException as error:
        guard.tell(f"failed {error!r}")
        slay(guard.survivors, guard.alone)
    finally:
        os._exit(0)
