"""A worker process whose wall clock is ahead by as many seconds as a file says, at each look; all else is the real one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from loopy.bootstrap.services import SystemClock, services
from workers.app import Shell


@dataclass(frozen=True)
class JumpingClock(SystemClock):
    """The wall's time, and what the file says on top of it."""

    file: Path

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=float(self.file.read_text()))


def main() -> None:
    made = replace(services(), clock=JumpingClock(Path(sys.argv[1])))
    shell = Shell(made)
    worker: Any = shell.app.Worker(
        pool="threads",
        concurrency=6,
        hostname=f"clocked-{os.getpid()}@localhost",
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        optimization="fair",
    )
    worker.start()


if __name__ == "__main__":
    main()
