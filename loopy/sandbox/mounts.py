"""The order of mounts: what lies above comes first, what is shut stays shut, and nothing is mounted twice."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loopy.sandbox.toolchains import BINS, SYSTEM

THERE = (*SYSTEM, "/etc")  # in every box, to read
OURS = ("/proc", "/dev", "/sys")  # made anew in every box, or left out
MEMORY = Path("/dev/shm")  # folders in it are like any others  # noqa: S108


@dataclass(frozen=True, slots=True)
class Mount:
    """A place of the host at its own name in the box; `source` or, if `empty`, a fresh folder is put there instead."""

    path: Path
    writable: bool = False
    empty: bool = False
    source: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Return bubblewrap's arguments for it."""
        if self.empty:
            return ("--tmpfs", str(self.path), "--remount-ro", str(self.path))
        return ("--bind" if self.writable else "--ro-bind", str(self.source or self.path), str(self.path))


def plan(wanted: Iterable[Mount], shut: Sequence[Path]) -> list[Mount]:
    """Return the mounts in the order in which they are to be made.

    A place that does not exist is left out, and so is one that lies in another of its kind already. A place behind a link
    is mounted where it really lies, and at its link's name too unless the link itself is there to be seen.
    """
    chosen = {mount.path: mount for mount in _placed(wanted)}
    for path in shut:
        real = Path(os.path.realpath(path))
        if (
            real.is_dir()
            and real.name not in BINS
            and any(real.is_relative_to(above) for above in (*map(Path, THERE), *chosen))
        ):
            chosen.setdefault(real, Mount(real, empty=True))
    kept: list[Mount] = []
    for mount in sorted(chosen.values(), key=lambda each: each.path.parts):
        above = next((each for each in reversed(kept) if mount.path.is_relative_to(each.path)), None)
        if above is None or mount.source or (above.writable, above.empty) != (mount.writable, mount.empty):
            kept.append(mount)
    return kept


def _placed(wanted: Iterable[Mount]) -> Iterator[Mount]:
    named: list[Mount] = []
    shown: list[Path] = [Path(name) for name in THERE]
    for mount in wanted:
        real = Path(os.path.realpath(mount.path))
        if not real.exists() or _is_ours(real):
            continue
        if real != mount.path:
            named.append(mount)
        if mount.writable or not any(real.is_relative_to(name) for name in THERE):
            shown.append(real)
            yield replace(mount, path=real)
    for mount in named:
        if not any(_first_link(mount.path).parent.is_relative_to(above) for above in shown):
            yield mount


def _first_link(path: Path) -> Path:
    """Return the topmost part of the path that is a link."""
    return next((part for part in (*reversed(path.parents), path) if part.is_symlink()), path)


def _is_ours(real: Path) -> bool:
    return MEMORY not in real.parents and any(real.is_relative_to(name) for name in OURS)
