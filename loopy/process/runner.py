"""Run a command under a guard: the worker's loop that listens, pings, asks whether to go on, and hears how it ended."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from io import FileIO
from typing import Literal

from loopy.domain.errors import ProcessError
from loopy.process.clock import AwakeClock
from loopy.process.command import Command, Ending, Exit
from loopy.process.groups import kill_command, kill_guard, read_record
from loopy.process.hunt import LINUX, Proc
from loopy.process.outbox import Outbox
from loopy.process.silence import LONGEST_LOOK_S, LOOK_PART
from loopy.process.spawn import spawn
from loopy.process.table import look_up

Stream = Literal["stdout", "stderr"]

CHUNK_BYTES = 65536
_LOOK_S = 0.4  # `stopping` is asked at least twice a second
SHELL_SIGNAL = 128
CRASHES = frozenset({signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGKILL, signal.SIGSEGV})
_STUCK_S = 10.0  # a guard that takes so much longer than it may is stuck
_REST_CHUNKS = 16  # the largest pipe holds 1 MiB; more would come from somebody else's process
_NOT_FOUND = (errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC)


def run(
    command: Command,
    *,
    authorised: Callable[[], bool] = lambda: True,
    on_output: Callable[[Stream, bytes], None] = lambda _stream, _chunk: None,
    stopping: Callable[[], str | None] = lambda: None,
    on_started: Callable[[int], None] = lambda _pid: None,
    on_input: Callable[[Outbox], None] = lambda _input: None,
) -> Exit:
    """Run the command to its end and return how it ended; by then nothing that it started is alive (see `Exit`).

    Once the guard holds the command's lock, `authorised` must still say yes, else nothing starts and the ending is LOST.
    `on_output` gets chunks of at most 64 KiB in the order of each stream; while it works, the command blocks. An answer
    of `stopping` ends the command with that reason. `on_input` gets the standard input of a `duplex` command once, when it
    has started; what is sent there never blocks. All five are called in this thread; what they raise ends the command
    first and then rises. One that blocks for `silence_s` makes the guard end the command as SILENT. Raise ProcessError
    if the command cannot be started for another reason than a missing program.
    """
    with ExitStack() as closing:
        watch = _Watch(command, closing, authorised, on_output, stopping, on_started, on_input)
        try:
            return watch.hold()
        except BaseException:
            watch.abandon()
            raise


class _Watch:
    """One command under watch. The guard's lines come in through `_hear`, the clock's demands through `_tick`."""

    def __init__(
        self,
        command: Command,
        closing: ExitStack,
        authorised: Callable[[], bool],
        on_output: Callable[[Stream, bytes], None],
        stopping: Callable[[], str | None],
        on_started: Callable[[int], None],
        on_input: Callable[[Outbox], None],
    ) -> None:
        self.command, self.authorised, self.on_output = command, authorised, on_output
        self.stopping, self.on_started, self.on_input = stopping, on_started, on_input
        self.clock, self.began = AwakeClock(), time.monotonic()
        self.guard = spawn(command, closing)
        self.selector = closing.enter_context(selectors.DefaultSelector())
        self.control = Outbox(self.guard.control, self.selector)
        self.stdin = Outbox(self.guard.stdin, self.selector)
        self.inbox, self.locked, self.gone = b"", False, False
        self.child: Proc | None = None
        self.wish: Exit | None = None  # how it is to end once the guard has obeyed our stop
        self.result: Exit | ProcessError | None = None
        self.started_at = self.active_at = self.stop_by = float("inf")
        self.ping_s = min(LONGEST_LOOK_S, command.silence_s * LOOK_PART)
        self.next_ping, self.next_question = 0.0, _LOOK_S

    def hold(self) -> Exit:
        """Loop until the guard is gone and all output is delivered."""
        self.selector.register(self.guard.status, selectors.EVENT_READ, self._hear)
        self.control.send(self.guard.spec)
        while not self.gone:
            self._round()
        self.guard.popen.wait()
        if self.result is None:
            self.result = self._without_guard()
        if isinstance(self.result, ProcessError):
            raise self.result
        for stream, pipe in self._pipes():
            for _ in range(_REST_CHUNKS):
                if pipe.closed or not self._take(stream, pipe):
                    break
        return self.result

    def abandon(self) -> None:
        """End the command quietly after an error on our side; return when it is over."""
        self.on_output = lambda _stream, _chunk: None
        self.stopping = lambda: None
        self.on_started = lambda _pid: None
        self.on_input = lambda _input: None
        self.authorised = lambda: False
        self._end(Exit(Ending.STOPPED))
        while not self.gone:
            self._round()
        self.guard.popen.wait()
        if self.result is None:
            self._without_guard()

    def _pipes(self) -> tuple[tuple[Stream, FileIO], tuple[Stream, FileIO]]:
        return ("stdout", self.guard.stdout), ("stderr", self.guard.stderr)

    def _round(self) -> None:
        patience = min(_LOOK_S, self.ping_s, (self.command.idle_s or 4.0) / 4)
        for key, _ in self.selector.select(patience):
            key.data()
            self._tick()
        self._tick()

    # ---- what the guard and the command say ----

    def _take(self, stream: Stream, pipe: FileIO) -> bool:
        """Hand one chunk of output on; False if there is none for now."""
        chunk = pipe.read(CHUNK_BYTES)
        if chunk:
            self.on_output(stream, chunk)
            self.active_at = self.clock.look()  # our own time in `on_output` is not the command's silence
        elif chunk is not None:
            with suppress(KeyError):
                self.selector.unregister(pipe)
            pipe.close()
        return bool(chunk)

    def _hear(self) -> None:
        """Take in the guard's lines; the end of the pipe is the end of the guard."""
        said = self.guard.status.read(CHUNK_BYTES)
        if said is None:
            return
        if not said:
            self.selector.unregister(self.guard.status)
            self.gone = True
        *lines, self.inbox = (self.inbox + said).split(b"\n")
        for line in lines:
            self._understand(*line.decode().split(" "))

    def _understand(self, word: str, *facts: str) -> None:
        match word:
            case "locked":
                self.locked = True
                self._decide()
            case "started":
                self._started(int(facts[0]))
            case "refused":
                self.result = self._refused(facts[0], int(facts[1]))
            case "exited" if self.result is None:
                self.result = self._exit(facts[0], int(facts[1]), int(facts[2]))
            case "failed":
                self.result = ProcessError("guard", " ".join(facts))

    def _decide(self) -> None:
        """With the lock held, look once more whether the claim is ours: this is the fence."""
        if self.wish is None and self.authorised():
            self.control.send(b"go\n")
        else:
            self._end(_lost("the claim is no longer current"))

    def _started(self, pid: int) -> None:
        self.child = look_up(pid)
        self.began = time.monotonic()
        self.started_at = self.active_at = self.clock.look()
        for stream, pipe in self._pipes():
            self.selector.register(pipe, selectors.EVENT_READ, partial(self._take, stream, pipe))
        self.stdin.send(self.command.stdin, last=not self.command.duplex)
        self.on_started(pid)
        if self.command.duplex:
            self.on_input(self.stdin)

    def _refused(self, stage: str, number: int) -> Exit | ProcessError:
        why, program = os.strerror(number), self.command.argv[0]
        if stage == "exec" and number in _NOT_FOUND:
            return Exit(Ending.NOT_FOUND, why=f"{program}: {why}")
        place = {"cwd": str(self.command.cwd), "limits": "limits"}.get(stage, program)
        return ProcessError(place, f"the command cannot be started: {why}")

    def _exit(self, how: str, status: int, leftovers: int) -> Exit:
        if not LINUX and self.guard.mark:
            leftovers += kill_command(None, self.guard.mark)  # without a subreaper the guard sees the group only
        ended = os.waitstatus_to_exitcode(status) if status >= 0 else None
        if self.command.boxed and ended is not None and ended - SHELL_SIGNAL in CRASHES:
            ended = SHELL_SIGNAL - ended  # how a box says that its command was ended by a signal
        code = ended if ended is not None and ended >= 0 else None
        signum = -ended if ended is not None and ended < 0 else None
        match how:
            case "exited":
                base = Exit(Ending.EXITED if signum is None else Ending.SIGNALLED)
            case "stopped" if self.wish is not None:
                base = self.wish
            case "told":
                base = Exit(Ending.STOPPED, stopped_for="the guard was told to end by a signal")
            case _:
                base = Exit(Ending.DEADLINE if how == "deadline" else Ending.SILENT)
        return replace(base, code=code, signal=signum, leftovers=leftovers, seconds=time.monotonic() - self.began)

    def _without_guard(self) -> Exit | ProcessError:
        """Clean up after a guard that is gone without a report."""
        killed = kill_command(self.child, self.guard.mark)
        if self.guard.popen.returncode > 0:
            noise = (self.guard.stderr.read(CHUNK_BYTES) or b"").decode(errors="replace")
            return ProcessError("guard", f"failed to start: {noise[-500:].strip()}")
        base = self.wish or _lost("the guard was killed")
        return replace(base, leftovers=killed, seconds=time.monotonic() - self.began)

    # ---- what the clock demands ----

    def _tick(self) -> None:
        now = self.clock.look()
        if now >= self.next_ping:
            self.next_ping = now + self.ping_s
            if self.control.empty:
                self.control.send(b"ping\n")
        if self.wish is not None:
            if now > self.stop_by:
                self.stop_by = float("inf")
                kill_guard(self.guard.popen.pid, self.guard.start)  # it is frozen, or cannot kill
        elif now >= self.next_question:
            self.next_question = now + _LOOK_S
            self._question(now)

    def _question(self, now: float) -> None:
        """Ask whether the command may go on."""
        answer, command = self.stopping(), self.command
        waited = command.lock_patience_s + (_STUCK_S if self.locked else 0.0)
        if answer is not None:
            self._end(Exit(Ending.STOPPED, stopped_for=answer))
        elif command.idle_s is not None and now - self.active_at > command.idle_s:
            self._end(Exit(Ending.IDLE))
        elif now - self.started_at > command.wall_s + command.kill_grace_s + _STUCK_S:
            self._end(Exit(Ending.DEADLINE))  # the guard should have
        elif self.started_at == float("inf") and now > waited:
            self._end(_lost(f"the run's lock is held by {read_record(command.lock) if command.lock else None}"))
        elif not self.locked and command.lock is not None and not self.authorised():
            self._end(_lost("the claim is no longer current"))

    def _end(self, wish: Exit) -> None:
        """Tell the guard to end the command; should it not obey in time, it is killed with all below it."""
        if self.wish is None:
            self.wish = wish
            self.stop_by = self.clock.look() + self.command.kill_grace_s + _STUCK_S
            self.control.send(b"stop\n")


def _lost(why: str) -> Exit:
    return Exit(Ending.LOST, why=why)
