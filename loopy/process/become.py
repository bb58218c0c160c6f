"""What the guard's forked child does to become the command: session, signals, limits, folder, program."""

from __future__ import annotations

import errno
import os
import resource

from loopy.process.hunt import LINUX

TYPE_CHECKING = False  # importing `typing` would cost the guard 5 ms
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # `signal` is this plus enums, which cost 6 of the guard's 20 ms

SET_PDEATHSIG, SET_NAME, SET_CHILD_SUBREAPER = 1, 15, 36  # linux/prctl.h


def prctl(option: int, value: int | bytes) -> None:
    """Set an attribute of this process (Linux); other systems do without."""
    if LINUX:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def become(spec: dict[str, Any], report: int, guard: int) -> None:
    """Turn the forked child into the command; on the way out say which stage failed. Never returns."""
    stage = "session"
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for signum in set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(signum, signal.SIG_DFL)
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            os._exit(127)  # the guard died before we were bound to it
        stage = "limits"
        for which, value, slack in spec["limits"]:
            limit(which, value, slack)
        stage = "cwd"
        os.chdir(spec["cwd"])
        stage = "exec"
        execute(spec["argv"], spec["env"])
    except (OSError, ValueError) as error:
        os.write(report, f"{stage} {getattr(error, 'errno', None) or errno.EINVAL}".encode())
    finally:
        os._exit(127)


def limit(which: int, value: int, slack: int) -> None:
    """Lower one kernel limit to `value`, its hard end to `slack` more; never raise it."""
    hard = resource.getrlimit(which)[1]
    top = (1 << 63) - 1 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(which, (min(value, top), min(value + slack, top)))


def execute(argv: list[bytes], env: dict[bytes, bytes]) -> None:
    """Become the program; a bare name is looked up in the absolute folders of PATH, never in the work tree."""
    if b"/" in argv[0]:
        os.execve(argv[0], argv, env)  # noqa: S606 - that is the point
    missing: OSError = FileNotFoundError(errno.ENOENT, "not on PATH")
    for folder in env.get(b"PATH", b"/usr/bin:/bin").split(b":"):
        if folder.startswith(b"/"):
            try:
                os.execve(folder + b"/" + argv[0], argv, env)  # noqa: S606
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError as error:
                missing = error
    raise missing
