"""A Celery app with tasks named as Loopy's, which write down what they were given; for workers under test."""

from __future__ import annotations

import os
import time
from pathlib import Path

from loopy.queue.app import STEP_QUEUES, make_app

app = make_app(os.environ["TEST_BROKER"])
OUT = Path(os.environ["TEST_OUT"])


def note(*words: object) -> None:
    fd = os.open(OUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (" ".join(map(str, (*words, time.time()))) + "\n").encode())
    os.close(fd)


def add(step: str) -> None:
    @app.task(name=f"loopy.{step}")
    def run(run_id: str, epoch: int) -> None:
        note(step, run_id, epoch)
        gate = OUT.with_name(f"hold-{step}-{run_id}")
        while gate.exists():
            time.sleep(0.005)


for name in STEP_QUEUES:
    add(name)
