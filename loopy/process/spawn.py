"""Start a guard: five pipes, an empty environment, and the spec that says what it is to guard."""

from __future__ import annotations

import json
import marshal
import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import loopy
from loopy.domain.errors import ProcessError
from loopy.process.command import Command, Limits
from loopy.process.mark import fresh_mark, variables
from loopy.process.table import start_time

# Run as a module rather than as a script: its byte code is cached, which saves 5 of 18 ms. The root comes last on the
# path, so the standard library always wins.
_ROOT = str(Path(loopy.__file__).parent.parent)
_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from loopy.process.guard import main; main()"


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guard that was just started, what to tell it first (`spec`), and this side's ends of its pipes.

    `mark` is the variable (NAME=VALUE) that only its command's processes have, b"" without a marker.
    """

    popen: subprocess.Popen[bytes]
    start: int
    mark: bytes
    spec: bytes
    control: FileIO
    status: FileIO
    stdin: FileIO
    stdout: FileIO
    stderr: FileIO


def spawn(command: Command, closing: ExitStack) -> Guarded:
    """Start the guard of `command`; `closing` closes this side's pipes, which ends the guard if it still lives."""
    facts = _facts(command)
    with ExitStack() as passed:
        try:
            control_r, control = _to_them(passed, closing)
            stdin_r, stdin = _to_them(passed, closing)
            status_w, status = _from_them(passed, closing)
            stdout_w, stdout = _from_them(passed, closing)
            stderr_w, stderr = _from_them(passed, closing)
            popen = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, _ROOT, str(control_r), str(status_w)],
                stdin=stdin_r if command.stdin or command.duplex else subprocess.DEVNULL,
                stdout=stdout_w,
                stderr=stderr_w,
                pass_fds=(control_r, status_w),
                cwd="/",
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise ProcessError("guard", f"cannot be started: {error}", hint="see `ulimit -n`, `ulimit -u`") from error
    start = start_time(popen.pid) or 0
    record: dict[str, str | int] = {"pid": popen.pid, "start": start}
    if command.marker is not None:
        record |= {"run": command.marker.run_id, "token": command.marker.token}
    spec = marshal.dumps(facts | {"record": json.dumps(record).encode()})
    told = len(spec).to_bytes(8, "big") + spec
    return Guarded(popen, start, facts["mark"], told, control, status, stdin, stdout, stderr)


def _facts(command: Command) -> dict[str, Any]:
    """Return the command as the guard wants it: bytes and numbers only."""
    env = {os.fsencode(name): os.fsencode(value) for name, value in command.env.items()}
    mark = b""
    if command.marker is not None:
        mark = fresh_mark(command.lock)
        env |= variables(command.marker, mark)
    return {
        "argv": [os.fsencode(word) for word in command.argv],
        "cwd": os.fsencode(command.cwd),
        "env": env,
        "lock": os.fsencode(command.lock) if command.lock else b"",
        "mark": mark,
        "wall_s": float(command.wall_s),
        "silence_s": float(command.silence_s),
        "grace_s": float(command.kill_grace_s),
        "limits": _rlimits(command.limits),
        "boxed": command.boxed,
    }


def _rlimits(limits: Limits) -> list[tuple[int, int, int]]:
    """Return (limit, value, slack of the hard end) rows; at the soft end of CPU time comes SIGXCPU, at the hard end KILL."""
    rows = [
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, limits.address_space_bytes, 0),
        (resource.RLIMIT_FSIZE, limits.file_size_bytes, 0),
        (resource.RLIMIT_NPROC, limits.processes, 0),
        (resource.RLIMIT_CPU, limits.cpu_s, 2),
    ]
    return [(which, value, slack) for which, value, slack in rows if value is not None]


def _to_them(passed: ExitStack, closing: ExitStack) -> tuple[int, FileIO]:
    read, write = os.pipe()
    passed.callback(os.close, read)
    return read, _ours(write, "wb", closing)


def _from_them(passed: ExitStack, closing: ExitStack) -> tuple[int, FileIO]:
    read, write = os.pipe()
    passed.callback(os.close, write)
    return write, _ours(read, "rb", closing)


def _ours(fd: int, mode: str, closing: ExitStack) -> FileIO:
    os.set_blocking(fd, False)
    return closing.enter_context(FileIO(fd, mode))
