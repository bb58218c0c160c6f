"""Commands, families of processes and bounded waits for the tests of the process runner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import loopy
from loopy.process.command import Command, Exit
from loopy.process.runner import Stream, run
from loopy.process.table import look_up

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
ROOT = Path(loopy.__file__).parent.parent

# A command that leaves nothing out: it ignores SIGTERM, so does its child, and two daemons left its session by a double
# fork; one of them washed its environment. Each writes its pid as a line, then waits for ever.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def stay():
    os.write(1, b"%d\\n" % os.getpid())
    end = time.monotonic() + 120
    while time.monotonic() < end: time.sleep(1)
    os._exit(0)
def daemon(env):
    if os.fork(): return
    os.setsid()
    if os.fork(): os._exit(0)
    code = "import os, time; os.write(1, b'%d\\\\n' % os.getpid()); time.sleep(120)"
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code], env)
if os.fork() == 0: stay()
daemon(dict(os.environ))
if "washed" in sys.argv: daemon({})
stay()
"""


def python(code: str, *args: str) -> tuple[str, ...]:
    """Return the argv that runs this code in a small interpreter."""
    return (sys.executable, "-I", "-S", "-c", code, *args)


def command(*argv: str, **fields: Any) -> Command:
    """Return a command with the defaults of these tests."""
    defaults: dict[str, Any] = {"cwd": Path("/"), "env": ENV, "wall_s": 60.0, "kill_grace_s": 0.3}
    return Command(argv=argv, **(defaults | fields))


@dataclass
class Ran:
    """What a command did."""

    stdout: bytes = b""
    stderr: bytes = b""
    started: list[int] = field(default_factory=list)
    exit: Exit | None = None

    def take(self, stream: Stream, chunk: bytes) -> None:
        if stream == "stdout":
            self.stdout += chunk
        else:
            self.stderr += chunk

    @property
    def ended(self) -> Exit:
        assert self.exit is not None
        return self.exit

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self.stdout.split()]


def go(
    *argv: str,
    authorised: Callable[[], bool] = lambda: True,
    stopping: Callable[[Ran], str | None] = lambda _ran: None,
    **fields: Any,
) -> Ran:
    """Run a command to its end; `stopping` sees what it wrote so far."""
    ran = Ran()
    ran.exit = run(
        command(*argv, **fields),
        authorised=authorised,
        on_output=ran.take,
        stopping=lambda: stopping(ran),
        on_started=ran.started.append,
    )
    return ran


def lives(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    return look_up(pid) is not None


def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until it is true; fail if it is not in time."""
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)


def guard_of(child: int) -> int:
    """Return the pid of the guard that started the command."""
    proc = look_up(child)
    assert proc is not None
    return proc.ppid


# A worker of its own: runs one command, tells its guard's output through, and prints how it ended.
WORKER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from loopy.process.command import Command, Marker
from loopy.process.runner import run
facts = json.loads(sys.argv[2])
lock = facts.pop("lock", None)
token = facts.pop("token", None)
command = Command(argv=tuple(facts.pop("argv")), cwd=Path("/"), env=facts.pop("env"), lock=Path(lock) if lock else None,
    marker=Marker("LP-1.1", token) if token is not None else None, **facts)
ended = run(command, on_output=lambda stream, chunk: os.write(1, chunk))
os.write(2, ended.ending.encode())
"""


def worker(argv: tuple[str, ...], env: Mapping[str, str] = ENV, **facts: Any) -> subprocess.Popen[bytes]:
    """Start a worker process that runs one command; its stdout is the command's, its stderr ends with the ending."""
    import json

    told = json.dumps({"argv": argv, "env": dict(env), "wall_s": 60.0, "kill_grace_s": 0.3} | facts)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(ROOT), told], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stop processes for the length of the block; whatever the block finds, none of them stays stopped for ever."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def read_pids(process: subprocess.Popen[bytes], count: int) -> list[int]:
    """Return the first `count` lines of its output as numbers."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]
