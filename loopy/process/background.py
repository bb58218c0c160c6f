"""A process of our own in the background, which ends when we do: it watches its standard input for the end."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Background:
    """A started process; closing its input tells it to stop."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def stop(self, patience_s: float = 15.0) -> int | None:
        """Close its input, wait, then terminate and kill; return its exit code."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        for act, seconds in ((self.process.poll, patience_s), (self.process.terminate, 3.0), (self.process.kill, 3.0)):
            act()
            with suppress(subprocess.TimeoutExpired):
                return self.process.wait(timeout=seconds)
        return None

    def kill(self) -> None:
        """Send SIGKILL, as a crash would; used by the demo and the tests."""
        self.process.kill()
        self.process.wait()


def start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> Background:
    """Start the process with its output in `log`, in a session of its own so that our Ctrl-C is not its Ctrl-C."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        process = subprocess.Popen(  # a long-lived process: stopped by `stop`
            list(argv), env=dict(env), stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
        )
    return Background(process)
