"""The values of a guarded command: what to run, within which limits, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from loopy.domain.errors import ProcessError
from loopy.process.silence import silence_s


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose command it is; the child sees it as LOOPY_RUN and LOOPY_TOKEN."""

    run_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Kernel limits of the command and all it starts; None leaves one as it is. Core dumps are always off.

    `processes` counts all processes of the user, so it must be set high, and it does not bind root.
    """

    address_space_bytes: int | None = None
    file_size_bytes: int | None = None
    processes: int | None = None
    cpu_s: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command for a guard. `env` is complete: nothing is inherited, only the marker's variables are added.

    A bare program name is looked up in the absolute folders of `env["PATH"]`. Commands with the same `lock` (which
    needs a marker) run one after the other; whoever waits for it longer than `lock_patience_s` has lost. `idle_s` counts from the last byte of
    output, `wall_s` from the start, both only while this host is awake. `silence_s` is how long the guard lives without
    a word from the worker; it follows from the worker's lease (see `silence`) and is set here by tests only. With
    `duplex` the standard input stays open after `stdin`, for what `run` is given to write while the command runs.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    wall_s: float
    stdin: bytes = field(default=b"", repr=False)
    duplex: bool = False
    lock: Path | None = None
    marker: Marker | None = None
    idle_s: float | None = None
    kill_grace_s: float = 5.0
    silence_s: float = field(default_factory=silence_s)
    lock_patience_s: float = 30.0
    limits: Limits = Limits()
    boxed: bool = False  # its own process is the box of all others; see `Sandbox.keeper`

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise ProcessError("command", "names no program")
        if self.lock is not None and self.marker is None:
            raise ProcessError(self.argv[0], "takes a lock without a marker, so no newer claim could take it over")


class Ending(StrEnum):
    """Why a command is over."""

    EXITED = "exited"  # by itself, with `code`
    SIGNALLED = "signalled"  # by a signal that the guard did not send
    IDLE = "idle"  # no output for `idle_s`
    DEADLINE = "deadline"  # longer than `wall_s`
    STOPPED = "stopped"  # as `stopping` asked, see `stopped_for`
    SILENT = "silent"  # the guard heard nothing from this worker for `silence_s`
    LOST = "lost"  # not ours any more, or the guard itself was killed
    NOT_FOUND = "not_found"  # there is no such program, or it cannot be executed


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended; by the time it is returned nothing of the command is alive.

    `code` or `signal` is set if the command's own process got as far as that, whatever the ending.
    `leftovers` counts descendants that outlived the command's own process and had to be ended.
    """

    ending: Ending
    code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    leftovers: int = 0
    stopped_for: str = ""
    why: str = ""  # a sentence for NOT_FOUND and LOST

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with code 0."""
        return self.ending is Ending.EXITED and self.code == 0
