"""A Celery app with tasks named as Loopy's, which write down what they were given; for workers under test."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from celery.signals import worker_shutting_down

from loopy.queue.app import STEP_QUEUES, make_app
from loopy.queue.carry import CarriedTask
from loopy.queue.doorbell import CeleryDoorbell
from loopy.queue.hand import HAND

app = make_app(os.environ["TEST_BROKER"])
bell = CeleryDoorbell(app)
OUT = Path(os.environ["TEST_OUT"])
CARRIES = "TEST_CARRIES" in os.environ
closing = threading.Event()


def note(*words: object) -> None:
    fd = os.open(OUT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (" ".join(map(str, (*words, time.time()))) + "\n").encode())
    os.close(fd)


@worker_shutting_down.connect(weak=False)
def close(**_: object) -> None:
    closing.set()
    OUT.with_name("closing").touch()


def add(step: str) -> None:
    @app.task(name=f"loopy.{step}", base=CarriedTask)
    def run(run_id: str, epoch: int) -> None:
        if CARRIES:
            HAND.hold(run_id, closing)
        note(step, run_id, epoch)
        gate = OUT.with_name(f"hold-{step}-{run_id}")
        while gate.exists():
            time.sleep(0.005)
        rung = OUT.with_name(f"ring-{step}-{run_id}")  # holds who is rung at the end of this step, and for what
        if rung.exists():
            other, *steps = rung.read_text().split()
            bell.ring(other, epoch + 1, steps)


for name in STEP_QUEUES:
    add(name)
