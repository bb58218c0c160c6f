"""Bubblewrap: the command sees the system's programs and its own folders, no other process, and nothing else of the host.

What is not mounted is not there, so this is an allow-list: the operator's home and Loopy's are shut but for what the run
was given. The network is the host's: nothing filters it yet, and so the grade is `fs-only`.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from loopy.domain.errors import ProcessError
from loopy.domain.held import Held
from loopy.ports import Reach
from loopy.process.capture import probe
from loopy.sandbox.mounts import Mount, plan
from loopy.sandbox.toolchains import SYSTEM, found, needed

NAME = "bubblewrap"
PROBE_S = 20.0
NO_NESTING = (0, 8, 0)  # the release that brought --disable-userns, 2023-02
WALLS = (
    "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
    "--cap-drop", "ALL", "--die-with-parent", "--new-session",
)  # fmt: skip
# Switches of the kernel belong to root, also without any right, and bubblewrap leaves some of them writable then: a core
# pattern would be a program that the kernel starts outside of every box (0.8.0, 2026-11-30). What runc covers, and more.
SWITCHES = ("acpi", "bus", "driver", "fs", "irq", "mtrr", "pressure", "scsi", "sys", "sysrq-trigger")
COVERS = tuple(word for name in SWITCHES for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}"))
FLOOR = ("--proc", "/proc", *COVERS, "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/var/tmp")  # noqa: S108 - the box's own


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Implements `Sandbox`.

    `home` is the operator's, which stays shut; so do the folders `shut`, Loopy's own home among them, whatever else is
    opened above them. `writable` and `readable` are what the operator opens for every command.
    """

    program: str
    version: tuple[int, ...]
    home: Path
    shut: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()
    keeper: bool = field(default=True, init=False)

    @property
    def held(self) -> Held:
        """What holds the command: its files and processes, not its network."""
        return Held(backend=f"{NAME} {'.'.join(map(str, self.version))}", grade="fs-only", network="unrestricted")

    @property
    def nests(self) -> bool:
        """Whether a command can make namespaces of its own in the box; an old bubblewrap cannot forbid it."""
        return self.version < NO_NESTING

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        """Return the argv that runs the command in the box. Raises ProcessError when a folder would open a whole home."""
        first, *rest = argv
        program = found(first, reach.env)
        nesting = () if self.nests else ("--disable-userns",)
        mounts = plan(self._mounts(program, reach), self._homes)
        return (
            self.program, *WALLS, *nesting, *_system(), *FLOOR, *(word for mount in mounts for word in mount.words),
            "--remount-ro", "/", "--", program, *rest,
        )  # fmt: skip

    def _mounts(self, program: str, reach: Reach) -> Iterator[Mount]:
        """Yield what is opened, weakest first; a place that is named twice is as its last mention says."""
        for path in (*needed(program if reach.opens_program else "", reach.env, self.home), *reach.readable):
            if self._fits(path):
                yield Mount(path)
        written = (*self.writable, *reach.writable, reach.work)
        for path in (*self.readable, *written):
            if not self._fits(path):
                raise ProcessError("sandbox", f"{path} holds a home, and would open all of it", hint="name less of it")
            yield Mount(path, writable=path in written)
        git = reach.work / ".git"
        if stat.S_ISDIR(_mode(git)):
            yield Mount(git)
        for path, source in reach.stand_ins.items():
            yield Mount(path, writable=True, source=source)

    def _fits(self, path: Path) -> bool:
        """Whether opening the path does not open a home, the operator's or Loopy's, or everything."""
        real = Path(os.path.realpath(path))
        return len(real.parts) > 1 and not any(Path(os.path.realpath(top)).is_relative_to(real) for top in self._homes)

    @property
    def _homes(self) -> tuple[Path, ...]:
        return (self.home, *self.shut)


def look(program: str, home: Path) -> Bubblewrap | str:
    """Run `true` in a box; return the sandbox, or why it does not work, in bubblewrap's own words."""
    env = {"PATH": os.defpath}
    said = probe([program, "--version"], env, PROBE_S)
    numbers = re.search(rb"(\d+(?:\.\d+)+)", said.stdout)
    if not said.exit.ok or numbers is None:
        why = said.exit.why or said.stderr.decode("utf-8", "replace").strip()
        return f"{program} does not say its version: {why or 'exit ' + str(said.exit.code)}"
    box = Bubblewrap(program, tuple(int(n) for n in numbers[1].split(b".")), home)
    with TemporaryDirectory(prefix="loopy-box-") as folder:  # exactly the walls that commands get
        ran = probe(box.wrap(["true"], Reach(Path(folder), env=env)), env, PROBE_S)
    if ran.exit.ok:
        return box
    last = ran.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return last[0] if last else f"`true` did not end well in it: {ran.exit.ending}, code {ran.exit.code}"


def installed(path: str) -> str:
    """Return where bubblewrap lies, by the absolute folders of this PATH, "" when it is not installed."""
    folders = [folder for folder in path.split(":") if folder.startswith("/")]
    return shutil.which("bwrap", path=":".join(folders) or os.defpath) or ""


def _system() -> Iterator[str]:
    """Yield the arguments that make the system's folders readable, each as the host has it: a folder or a link."""
    for name in SYSTEM:
        if os.path.islink(name):
            yield from ("--symlink", os.readlink(name), name)
        elif os.path.isdir(name):
            yield from ("--ro-bind", name, name)
    yield from ("--ro-bind", "/etc", "/etc")
    yield from _etc()


@cache
def _etc() -> tuple[str, ...]:
    """Return what hides all in /etc that is not for everybody, and opens what its links name, such as the resolver's file."""
    words: list[str] = []
    for folder, folders, files in os.walk("/etc"):
        for name in [*folders]:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and _mode(Path(path)) & 0o005 != 0o005:
                folders.remove(name)
                words += ("--tmpfs", path)
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and not _mode(Path(path)) & 0o004:
                words += ("--ro-bind", os.devnull, path)
    for entry in os.scandir("/etc"):
        real = os.path.realpath(entry.path)
        if entry.is_symlink() and real.startswith("/run/") and _mode(Path(real)) & 0o004:
            words += ("--ro-bind", real, real)
    return tuple(words)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
