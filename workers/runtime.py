"""What one worker process holds while it lives: its kernel lock, its row, the heart, the sweep, and beat if asked."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import loopy
from loopy.bootstrap.desk import desk
from loopy.bootstrap.services import Services
from loopy.domain.errors import StoreError
from loopy.engine.books import Worker
from loopy.engine.hearing import Hearing
from loopy.engine.liveness import LeaseWatch
from loopy.engine.order import acting_s
from loopy.engine.perform import Performer
from loopy.engine.pulse import Pulse
from loopy.engine.sweep import Sweep, SweepThread
from loopy.process import alive, silence
from workers.crash import arm

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("loopy.worker")
GRACE_S = 8.0


@dataclass
class Runtime:
    """The parts of a running worker; `start` and `stop` bracket its life."""

    services: Services
    worker: Worker
    lock: alive.Alive
    pulse: Pulse
    performer: Performer
    sweep: Sweep
    thread: SweepThread
    hearing: Hearing
    beat: Any = None
    _ending: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, services: Services, queues: tuple[str, ...], beat: Celery | None = None) -> Runtime:
        """Take the kernel lock, insert the row, start the heart and the sweep: in this order (rule 7)."""
        arm(services.env)
        silence.set_silence(acting_s(services.settings.lease_s))
        name = uuid.uuid4().hex
        made = desk(services, name)
        lock = alive.hold(services.settings.alive, name)
        now = services.clock.now()
        worker = Worker(name, socket.gethostname(), os.getpid(), now, queues, loopy.__version__)
        try:
            with services.graph.write() as tx:
                tx.fleet.add_worker(worker)
        except BaseException:
            lock.release()  # without a row nobody would ever bury it
            raise
        pulse = Pulse(services.graph, services.clock, name)
        sweep = Sweep(made, LeaseWatch(services.clock, services.settings.lease_s))
        hearing = Hearing(services.graph, made.doorbell, queues)
        runtime = cls(services, worker, lock, pulse, Performer(made, pulse), sweep, SweepThread(sweep), hearing)
        pulse.start()
        runtime.thread.start()
        runtime.beat = _beat(beat) if beat is not None else None
        return runtime

    def close(self) -> None:
        """Claim nothing more; what runs goes on (first Ctrl-C)."""
        self.pulse.closing.set()

    def drain(self) -> None:
        """Stop what runs and hand it back, within a few seconds (second Ctrl-C)."""
        self.pulse.closing.set()
        self.pulse.draining.set()

    def wait_idle(self, seconds: float = GRACE_S) -> bool:
        """Wait until this worker holds no claim; return whether that came true."""
        give_up = time.monotonic() + seconds
        while self.pulse.held and time.monotonic() < give_up:
            time.sleep(0.05)
        return not self.pulse.held

    def stop(self) -> None:
        """End the worker's life in order, once; whatever it still held is freed by the others."""
        if not self._ending.acquire(blocking=False):
            return  # a second signal and Celery's own shutdown may both come here
        self.pulse.closing.set()
        if self.beat is not None:
            self.beat.stop()
        self.thread.stop()
        self.pulse.stop()
        if not self.pulse.held:
            with self.services.graph.write() as tx:
                tx.fleet.close_worker(self.worker.id)
            self.lock.release()
        with suppress(StoreError):  # the log is folded back by whoever comes next
            self.services.graph.checkpoint()


def _beat(app: Celery) -> Any:
    from celery.beat import EmbeddedService

    # Beat's default scheduler would keep a file in the folder where the worker was started.
    service: Any = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)
    service.daemon = True
    service.start()
    return service
