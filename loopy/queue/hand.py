"""What a pool thread has in hand: the run that it performs, and the task that it goes on with, without the broker in between.

A run whose next task this worker would fetch anyway is carried on by the thread that has it: the message that the broker
would have brought is made, kept here and started by `loopy.queue.carry`. Nothing depends on it, for a message is only a
doorbell: what is in the hand of a worker that dies is rung again by the others.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from loopy.queue.app import STEP_QUEUES, TASK_PREFIX

if TYPE_CHECKING:
    from celery import Celery


class Hand(threading.local):
    """One thread's hand. `carries` is set while a pool that can carry runs a task in this thread."""

    carries = False
    run = ""
    onward: Any = None  # the task to go on with, as Celery's protocol has it: headers, properties, body
    _closing: threading.Event | None = None
    _owed: Callable[[], object] | None = None  # the acknowledgement of the message that brought the run

    def hold(self, run_id: str, closing: threading.Event) -> None:
        """Take a run in hand; it is carried on until it has no next task, or the worker closes."""
        self.run, self._closing = run_id, closing

    def takes(self, app: Celery, run_id: object, name: str) -> bool:
        """Return whether this thread goes on with that task itself: it is of the run in hand, and of a queue consumed here."""
        if not self.carries or run_id != self.run or self.onward is not None:
            return False
        if self._closing is None or self._closing.is_set():
            return False
        return STEP_QUEUES[name.removeprefix(TASK_PREFIX)] in app.amqp.queues.consume_from

    def keep(self, app: Celery, name: str, args: Sequence[Any], *, chain: Any, priority: int | None, **ids: Any) -> str:
        """Keep a task instead of posting it; return its id. `ids`: `parent_id` and `root_id`, as Celery has them."""
        task_id = str(uuid.uuid4())
        made = app.amqp.as_task_v2(task_id, name, tuple(args), chain=chain, ignore_result=True, **ids)
        made.properties["priority"] = priority
        self.onward = made
        return task_id

    def acknowledge(self, ack: Callable[[], object]) -> None:
        """Acknowledge the broker's message, or owe it as long as its run is carried on: it stands for this thread's place."""
        if self.onward is None:
            ack()
        else:
            self._owed = ack

    def settle(self) -> None:
        """Acknowledge what is owed."""
        owed, self._owed = self._owed, None
        if owed is not None:
            owed()

    def put_down(self) -> None:
        """Have nothing in hand any more."""
        self.carries, self.run, self.onward, self._closing = False, "", None, None
        self.settle()


HAND = Hand()
