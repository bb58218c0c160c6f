"""The doorbell: one message that tells a worker that a run has something to do; losing one costs time, never work."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loopy.queue.app import TASK_PREFIX
from loopy.queue.brokers import broker_priority, family_of, hasty_options, without_secret
from loopy.queue.hand import HAND

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

log = logging.getLogger(__name__)


class CeleryDoorbell:
    """Rings through a connection of its own, one ring at a time; safe for threads.

    A broker that fails is left alone for `wait_s`: rings in that time answer False at once.
    """

    def __init__(self, app: Celery, *, wait_s: float = 1.0) -> None:
        self._app, self._wait_s = app, wait_s
        self._url = str(app.conf.broker_write_url)
        self._family = family_of(self._url)
        self._mutex = threading.Lock()
        self._connection: Connection | None = None
        self._rest_until = float("-inf")
        self._down = False

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        """Send one chain of `loopy.<step>(run_id, epoch)`, first to last; return whether the broker took it.

        What is rung for the run that this thread has in hand stays there (`loopy.queue.hand`) instead of being posted.
        `priority`: 0 to 9, higher first. Waits about `wait_s` at most. Never raises for the broker's sake; one warning
        is logged per outage.
        """
        if not steps:
            raise ValueError("a ring names at least one step")
        task = self._task(run_id, epoch, steps, broker_priority(self._family, priority))
        if HAND.takes(self._app, run_id, task["name"]):
            HAND.keep(self._app, **task)
            return True
        deadline = time.monotonic() + self._wait_s
        if not self._mutex.acquire(timeout=self._wait_s):
            return False
        try:
            return time.monotonic() >= self._rest_until and self._ring(deadline, task)
        finally:
            self._mutex.release()

    def close(self) -> None:
        """Close the connection; the next ring opens another."""
        with self._mutex:
            self._hang_up()

    def _ring(self, deadline: float, task: Mapping[str, Any]) -> bool:
        seasoned = self._connection is not None
        try:
            self._app.send_task(**task, producer=self._producer(), ignore_result=True, retry=False)
        except Exception as error:  # whatever the driver raises, the run stays ready in the graph and is rung again
            self._hang_up()
            if seasoned and time.monotonic() < deadline - self._wait_s / 2:
                return self._ring(deadline, task)  # the connection may only have gone stale: once more, on a new one
            self._note_outage(error)
            return False
        if self._down:
            self._down = False
            log.info("the broker is back")
        return True

    def _task(self, run_id: str, epoch: int, steps: Sequence[str], priority: int) -> dict[str, Any]:
        """Return the first task with the rest of its chain, last first, as a message carries it.

        `chain().apply_async` would send the same, but drops the `producer` and so could not keep our patience.
        """
        first, *rest = [f"{TASK_PREFIX}{step}" for step in steps]
        chain = [self._signature(name, run_id, epoch, priority) for name in reversed(rest)]
        return {"name": first, "args": (run_id, epoch), "chain": chain or None, "priority": priority}

    def _signature(self, name: str, run_id: str, epoch: int, priority: int) -> dict[str, Any]:
        return self._app.signature(name, args=(run_id, epoch), immutable=True, options={"priority": priority})

    def _producer(self) -> Any:
        if self._connection is None:
            self._connection = self._app.connection_for_write(
                connect_timeout=self._wait_s, transport_options=hasty_options(self._family, self._wait_s)
            )
        self._connection.ensure_connection(max_retries=0, interval_start=0)
        return self._app.amqp.Producer(self._connection, auto_declare=False)

    def _note_outage(self, error: Exception) -> None:
        self._rest_until = time.monotonic() + self._wait_s
        if not self._down:
            self._down = True
            log.warning(
                "the broker %s cannot be reached, runs wait until it is back: %s", without_secret(self._url), error
            )

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.release()
        except Exception as error:  # it is being thrown away
            log.debug("closing the connection: %s", error)
