"""The Celery app of the worker processes: `celery -A workers.app worker`, `… beat`, `… flower`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from beat_schedule import SCHEDULE
from loopy.bootstrap.services import Services, services
from loopy.cli.exits import exit_code_of
from loopy.queue.app import refuse_unfit
from workers.runtime import Runtime
from workers.signals import connect
from workers.tasks import bind_tasks
from workers.watchdog import Watchdog, start_anew, started_anew

if TYPE_CHECKING:
    from celery import Celery

log = logging.getLogger("loopy.worker")


class Shell:
    """Holds the runtime of this process once its worker has started."""

    def __init__(self, made: Services, *, beat: bool = False, as_json: bool = False) -> None:
        self.services, self._beat, self.as_json = made, beat, as_json
        self.runtime: Runtime | None = None
        self.watchdog: Watchdog | None = None
        self.app: Celery = made.app
        self.app.conf.beat_schedule = SCHEDULE
        self.app.conf.beat_scheduler = "celery.beat:Scheduler"
        self.app.conf.worker_concurrency = made.settings.threads
        bind_tasks(self.app, self.running)
        connect(self)

    def running(self) -> Runtime:
        """Return the runtime; a task can only run inside a started worker."""
        assert self.runtime is not None
        return self.runtime

    def start(self, queues: tuple[str, ...]) -> None:
        """Begin the worker's life; called by Celery's `worker_init`. What it raises ends the process."""
        refuse_unfit(self.app)
        self.runtime = Runtime.start(self.services, queues, self.app if self._beat else None)
        if deaf_s := self.services.settings.worker.deaf_s:
            before = started_anew(self.services.env)
            self.watchdog = Watchdog(self.runtime.hearing, deaf_s, before, self._deaf)
            self.watchdog.start()

    def _deaf(self, why: str) -> None:
        runtime, watchdog = self.runtime, self.watchdog
        if runtime is not None and watchdog is not None and not runtime.pulse.closing.is_set():
            log.warning("%s; this worker starts anew", why)
            start_anew(runtime, watchdog.next)

    def stop(self) -> None:
        """End it; called by Celery's `worker_shutdown`."""
        if self.watchdog is not None:
            self.watchdog.stop()
        if self.runtime is not None:
            self.runtime.stop()
            self.runtime = None


def _shell() -> Shell:
    """Return the shell of this home; one that cannot be served ends the process with a line and its exit code."""
    made: list[Shell] = []
    if code := exit_code_of(lambda: made.append(Shell(services()))):
        raise SystemExit(code)
    return made[0]


def __getattr__(name: str) -> Any:
    """Make the app when `celery -A workers.app` asks for it, so that importing this module does nothing."""
    if name in ("app", "celery"):
        shell = _shell()
        globals().update(app=shell.app, celery=shell.app, shell=shell)
        return shell.app
    raise AttributeError(name)
