"""Slots of this host that any number of processes share: a kernel lock each, freed by the kernel however the holder ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopy.process.lock import try_lock

LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Slots:
    """`many` lock files in a folder; who holds one of them has a slot. Processes that count differently share the lower."""

    folder: Path
    many: int

    @contextmanager
    def one(
        self, stopping: Callable[[], str | None] = lambda: None, on_wait: Callable[[], None] = lambda: None
    ) -> Iterator[str | None]:
        """Hold a slot during the block, which gets None, or gets why it stopped waiting and holds nothing.

        `on_wait` is called once, when all were taken at the first look; `stopping` is asked ten times a second then.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd, why = self._take(), None
        if fd is None:
            on_wait()
        while fd is None and (why := stopping()) is None:
            time.sleep(LOOK_S)
            fd = self._take()
        try:
            yield why
        finally:
            if fd is not None:
                os.close(fd)

    def _take(self) -> int | None:
        for n in range(self.many):
            fd = try_lock(self.folder / str(n))
            if fd is not None:
                return fd
        return None
