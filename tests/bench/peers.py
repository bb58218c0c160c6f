"""Peers beside us, from environments of their own; whoever has none leaves these rows out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import dbos_peer
from tests.bench.hosts import wait

SCRIPT = str(Path(dbos_peer.__file__))


@dataclass
class Dbos:
    """One DBOS worker on SQLite, through the eyes of `measures.Loopy`."""

    python: str
    url: str
    steps: list[float] = field(default_factory=list)

    @classmethod
    @contextmanager
    def running(cls, python: str, folder: Path) -> Iterator[Dbos]:
        """Run a worker until the block ends; `python` is an interpreter that has `dbos`."""
        made = cls(python, f"sqlite:///{folder / 'dbos.sqlite'}")
        with (folder / "dbos.log").open("wb") as log:
            worker = subprocess.Popen([python, SCRIPT, made.url], stdout=log, stderr=log)
        try:
            wait(made._serves)
            yield made
        finally:
            worker.kill()
            worker.wait()

    def _serves(self) -> bool:
        return self._run(1) is not None

    def _run(self, n: int) -> dict[str, float] | None:
        done = subprocess.run([self.python, SCRIPT, self.url, str(n)], capture_output=True, text=True, timeout=300)
        found: dict[str, float] | None = json.loads(done.stdout) if done.returncode == 0 else None
        return found

    def one(self) -> float:
        """Return the seconds of one workflow, from filing to its end."""
        took = self.many(1)[1]
        self.steps.append(took / dbos_peer.STEPS)
        return took

    def many(self, n: int) -> tuple[float, float]:
        """Return (seconds until all have been filed, seconds until all have ended)."""
        found = self._run(n)
        assert found is not None
        return found["filed"], found["ended"]
