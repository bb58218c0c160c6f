"""Peers beside us, from environments of their own; whoever has none leaves these rows out."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import dbos_peer, prefect_peer
from tests.bench.hosts import wait
from tests.bench.measures import STEPS
from tests.support.servers import free_port


@dataclass
class Peer:
    """One peer's worker or server, through the eyes of `measures.Loopy`."""

    name: str
    bar: str  # of our steps a second against its own
    script: str
    python: str
    url: str
    home: Path
    fewer: int = 1  # it is given so many times fewer workflows than we are, for it takes its time
    steps: list[float] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[Peer]:
        """Run its process until the block ends."""
        with (self.home / f"{self.name}.log").open("wb") as log:
            argv = [self.python, self.script, self.url]
            worker = subprocess.Popen(argv, stdout=log, stderr=log, env=self._env)
        try:
            wait(self._serves)
            yield self
        finally:
            worker.kill()
            worker.wait()

    @property
    def _env(self) -> dict[str, str]:
        return dict(os.environ) | {"PREFECT_HOME": str(self.home / "prefect")}

    def _serves(self) -> bool:
        return self._run(1) is not None

    def _run(self, n: int) -> dict[str, float] | None:
        argv = [self.python, self.script, self.url, str(n)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, env=self._env)
        found: dict[str, float] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return found

    def one(self) -> float:
        """Return the seconds of one workflow, from filing to its end."""
        found = self._run(1)
        assert found is not None
        self.steps.append(found["ended"] / STEPS)
        return found["ended"]

    def many(self, n: int) -> tuple[float, float]:
        """Return (seconds until all have been filed, seconds until all have ended), of n // `fewer` workflows."""
        found = self._run(n // self.fewer)
        assert found is not None
        return found["filed"], found["ended"]


def dbos(python: str, folder: Path) -> Peer:
    """Return DBOS on SQLite; `python` is an interpreter that has `dbos`."""
    return Peer("DBOS", "≥ 2", str(dbos_peer.__file__), python, f"sqlite:///{folder / 'dbos.sqlite'}", folder)


def prefect(python: str, folder: Path) -> Peer:
    """Return Prefect on SQLite; `python` is an interpreter that has `prefect`."""
    url = f"http://127.0.0.1:{free_port()}/api"
    return Peer("Prefect", "≥ 20", str(prefect_peer.__file__), python, url, folder, fewer=20)
