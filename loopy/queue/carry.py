"""Celery's parts that carry a run on: a task that keeps its successor, and a thread pool that starts what was kept.

The kept message goes through Celery's own strategy for its task, as if the broker had brought it: it is seen by Flower,
`inspect` and `revoke`, and traced like any other. Only the way through the broker is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import Task
from celery.concurrency import thread
from celery.concurrency.base import apply_target
from celery.worker.strategy import default
from kombu.message import Message

from loopy.queue.hand import HAND

log = logging.getLogger(__name__)
CARRIED: dict[str, Callable[[Message], None]] = {}  # by task: what starts a kept message in this process


class CarriedTask(Task):  # type: ignore[type-arg]  # Celery's Task takes parameters in its stubs only
    """A task of a run; the chain's next one stays in the thread that has the run in hand."""

    abstract = True
    Strategy = "loopy.queue.carry:strategy"

    def apply_async(self, args: Any = None, kwargs: Any = None, *rest: Any, **options: Any) -> Any:
        """Keep the message in hand, or post it as Celery does."""
        if args and HAND.takes(self.app, args[0], self.name):
            wanted = {name: options.get(name) for name in ("chain", "priority", "parent_id", "root_id")}
            return HAND.keep(self.app, self.name, args, **wanted)
        return super().apply_async(args, kwargs, *rest, **options)


def strategy(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Return Celery's own strategy, with acknowledgements that wait as long as the run is carried on."""
    handle = default(task, app, consumer, **options)

    def delivered(message: Any, body: Any, ack: Any, *rest: Any, **more: Any) -> Any:
        return handle(message, body, lambda *words: HAND.acknowledge(partial(ack, *words)), *rest, **more)

    def carried(message: Any) -> None:
        if not task.acks_late:  # it may take longer than the broker waits for an acknowledgement
            HAND.settle()
        handle(message, None, _nothing, _nothing, ())

    CARRIED[task.name] = carried
    return delivered


class TaskPool(thread.TaskPool):
    """Celery's pool of threads; a thread goes on with what its task left in its hand."""

    def on_apply(self, *applied: Any, **more: Any) -> Any:
        """Run the target in a thread of the pool, or right here in the thread that carries."""
        if HAND.carries:
            return apply_target(*applied, **more)
        return super().on_apply(_carry, (partial(apply_target, *applied, **more),), callback=_nothing)


def _carry(apply: Callable[[], object]) -> None:
    HAND.carries = True
    try:
        apply()
        while (kept := HAND.onward) is not None:
            HAND.onward = None
            _start(kept)
    except Exception:  # the run stays queued, and is rung again
        log.exception("a task could not be carried on")
    finally:
        HAND.put_down()


class Kept(Message):
    """A message that was never encoded."""

    @property
    def payload(self) -> Any:
        """Return the body: arguments, keywords, and what is embedded."""
        return self.body


def _start(kept: Any) -> None:
    """Give a kept message to Celery."""
    CARRIED[kept.headers["task"]](Kept(kept.body, headers=kept.headers, properties=kept.properties))


def _nothing(*_: object) -> None:
    """Acknowledge a message that no broker has."""
