"""Processes started as a supervisor does, word for word; each is ended by its own session."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.stack.house import wait_until


class Crew:
    """What was started, by name, and what it has said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: str | Sequence[str], env: Mapping[str, str]) -> None:
        """Start it in a session of its own: a line through the shell, as of a Procfile; words as they are."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                shell=isinstance(command, str),
                cwd=self.folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def until_said(self, name: str, words: str) -> None:
        def heard() -> bool:
            assert self.processes[name].poll() is None, self.said(name)
            return words in self.said(name)

        wait_until(heard, f"{name} says {words!r}")

    def stop(self, *names: str) -> dict[str, int | None]:
        """Send TERM to each session, as a supervisor does; return the exit codes, None for who did not end."""
        for name in names:
            with suppress(ProcessLookupError):
                os.killpg(self.processes[name].pid, signal.SIGTERM)
        give_up = time.monotonic() + 40
        codes: dict[str, int | None] = {}
        for name in names:
            try:
                codes[name] = self.processes[name].wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                codes[name] = None
        return codes


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """Yield a crew; nobody of it is left afterwards."""
    made = Crew(folder)
    try:
        yield made
    finally:
        for process in made.processes.values():
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
