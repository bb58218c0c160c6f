"""The tasks: `loopy.<step>(run_id, epoch)` for every step, and `loopy.recover`; JSON in, nothing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loopy.domain.states import Step
from loopy.queue.app import TASK_PREFIX
from loopy.queue.hand import HAND

if TYPE_CHECKING:
    from celery import Celery

    from workers.runtime import Runtime


def bind_tasks(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Register the tasks on the app; the runtime is asked for when a task runs, not before."""
    from loopy.queue.carry import CarriedTask

    for step in Step:
        app.task(bind=True, base=CarriedTask, name=f"{TASK_PREFIX}{step}", shared=False)(_performing(step, runtime))

    @app.task(name="loopy.recover", shared=False)
    def recover() -> None:
        with runtime().hearing.message():
            runtime().sweep.once()


def _performing(step: Step, runtime: Callable[[], Runtime]) -> Callable[[Any, str, int], None]:
    def perform(self: Any, run_id: str, epoch: int) -> None:
        """Do the step that this message names; a chain that is not to go on ends here, with SUCCESS (rule 3)."""
        here = runtime()
        HAND.hold(run_id, here.pulse.closing)
        with here.hearing.message():
            if not here.performer.perform(run_id, step, epoch):
                self.request.chain = None

    perform.__name__ = str(step)
    return perform
