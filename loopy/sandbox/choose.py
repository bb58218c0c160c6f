"""The choice of a sandbox: what the operator asked for, or a refusal with its reason; never silently less."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from loopy.domain.errors import ConfigError, ProcessError
from loopy.domain.held import Grade
from loopy.ports import Reach, Sandbox
from loopy.sandbox.bubblewrap import Bubblewrap, installed, look
from loopy.sandbox.none import NoSandbox

INSTALL = "apt install bubblewrap (dnf, pacman and apk know it by the same name)"
APPARMOR = (
    "AppArmor forbids it; load its profile for bubblewrap: apt install apparmor-profiles && "
    "cp /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && systemctl reload apparmor"
)
# A kernel's switch, the value that forbids user namespaces, and what to do. Sources: Ubuntu 24.04 release notes on
# unprivileged user namespaces; Debian's kernel.unprivileged_userns_clone; user_namespaces(7). As of 2026-11.
SWITCHES = (
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", APPARMOR),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
)
UNTOLD = (
    "the kernel's switches do not say why; a container that forbids it is started with "
    "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator's settings ask of a sandbox, and what it is to know of this host."""

    backend: str = "auto"
    grade: Grade = "fs-only"  # of the policy
    path: str = ""  # where programs are looked up
    home: Path = Path("/nonexistent")  # the operator's
    shut: Sequence[Path] = ()  # what no command may see: Loopy's own home
    writable: Sequence[Path] = ()
    readable: Sequence[Path] = ()


@dataclass(frozen=True, slots=True)
class Lacking(NoSandbox):
    """Implements `Sandbox` where there ought to be one and none works: it holds nothing, and runs nothing."""

    why: str
    fix: str

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        """Refuse. Raises ProcessError."""
        del reach
        raise ProcessError("sandbox", f"{argv[0]} is not started without one: {self.why}", hint=self.fix)


def choose_sandbox(asked: Asked, probe: Callable[[Asked], Bubblewrap | Lacking] | None = None) -> Sandbox:
    """Return the sandbox that was asked for, the probe's answer for this host; cached for the life of the process.

    "auto" is none where the policy says none, else bubblewrap, else one that refuses to run anything. Raises ConfigError
    for a backend that was named and does not work here, or is not known.
    """
    match asked.backend:
        case "none":
            return NoSandbox()
        case "auto" if asked.grade == "none":
            return NoSandbox()
        case "auto" | "bubblewrap":
            found = (probe or look_here)(asked)
        case _:
            known = "auto, bubblewrap, none"
            raise ConfigError("sandbox.backend", f"{asked.backend!r} is not available here", hint=f"known: {known}")
    if isinstance(found, Bubblewrap):
        return replace(found, home=asked.home, shut=asked.shut, writable=asked.writable, readable=asked.readable)
    if asked.backend != "auto":
        raise ConfigError("sandbox.backend", f"{asked.backend!r} is not available here: {found.why}", hint=found.fix)
    return found


def look_here(asked: Asked) -> Bubblewrap | Lacking:
    """Return bubblewrap if it holds a command on this host, which is tried out once, else what is missing."""
    if sys.platform != "linux":
        return Lacking("bubblewrap is for Linux", "this system has none yet: docs/security.md")
    program = installed(asked.path)
    return _tried(program) if program else Lacking("bubblewrap is not installed", INSTALL)


@cache
def _tried(program: str) -> Bubblewrap | Lacking:
    found = look(program, Path("/nonexistent"))
    if isinstance(found, Bubblewrap):
        return found
    return Lacking(f"bubblewrap is installed and does not work: {found}", mend(_switches()))


def mend(switches: Mapping[str, str]) -> str:
    """Return what to do about a bubblewrap that does not work, told by the kernel's switches (path → value)."""
    return next((fix for path, bad, fix in SWITCHES if switches.get(path) == bad), UNTOLD)


def _switches() -> Mapping[str, str]:
    found = {}
    for path, _, _ in SWITCHES:
        try:
            found[path] = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
    return found
