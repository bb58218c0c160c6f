"""The Celery tasks around the engine: a message is a run and an epoch, and a chain that is not to go on ends cleanly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from loopy.domain.states import Step
from loopy.queue.app import make_app
from loopy.queue.hand import HAND
from workers.tasks import bind_tasks

if TYPE_CHECKING:
    from celery import Celery

    from workers.runtime import Runtime


@dataclass
class Rehearsal:
    """A runtime that notes what it is asked to do, and answers as it is told."""

    goes_on: bool
    asked: list[tuple[str, Step, int]] = field(default_factory=list)
    swept: int = 0
    heard: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def performer(self) -> Rehearsal:
        return self

    @property
    def sweep(self) -> Rehearsal:
        return self

    @property
    def hearing(self) -> Rehearsal:
        return self

    @property
    def pulse(self) -> Rehearsal:
        return self

    @contextmanager
    def message(self) -> Iterator[None]:
        self.heard += 1
        yield

    def perform(self, run_id: str, step: Step, epoch: int) -> bool:
        self.asked.append((run_id, step, epoch))
        return self.goes_on

    def once(self) -> int:
        self.swept += 1
        return 0


def app_of(rehearsal: Rehearsal) -> Celery:
    app = make_app("memory://")
    app.conf.task_always_eager = True
    bind_tasks(app, lambda: cast("Runtime", rehearsal))
    return app


@pytest.mark.parametrize("step", list(Step))
def test_every_step_has_its_task_and_passes_the_address_on(step: Step) -> None:
    rehearsal = Rehearsal(goes_on=True)
    app_of(rehearsal).tasks[f"loopy.{step}"].apply(("LP-1.1", 3))
    assert rehearsal.asked == [("LP-1.1", step, 3)]
    assert rehearsal.heard == 1


def chained(goes_on: bool) -> tuple[list[Step], str]:
    """Trace the task as a worker does; what it publishes next runs at once."""
    from celery.app.trace import build_tracer

    rehearsal = Rehearsal(goes_on)
    app = app_of(rehearsal)
    rest = [app.signature(f"loopy.{step}", args=("LP-1.1", 1), immutable=True) for step in ("route", "size")]
    task = app.tasks["loopy.plan"]
    traced: Any = build_tracer(task.name, task, app=app)(
        "id", ["LP-1.1", 1], {}, {"id": "id", "chain": rest, "delivery_info": {}}
    )
    return [step for _, step, _ in rehearsal.asked], "SUCCESS" if traced.info is None else str(traced.info)


def test_a_task_that_is_to_go_on_lets_its_chain_go_on() -> None:
    assert chained(goes_on=True) == ([Step.PLAN, Step.SIZE], "SUCCESS")


def test_a_task_that_is_not_to_go_on_cuts_its_chain_and_succeeds() -> None:
    assert chained(goes_on=False) == ([Step.PLAN], "SUCCESS")


@pytest.mark.parametrize("closes", [False, True])
def test_a_task_takes_its_run_in_hand_unless_the_worker_closes(closes: bool) -> None:
    rehearsal = Rehearsal(goes_on=True)
    if closes:
        rehearsal.closing.set()
    app = app_of(rehearsal)
    app.tasks["loopy.plan"].apply(("LP-1.1", 3))
    HAND.carries = True
    try:
        assert HAND.takes(app, "LP-1.1", "loopy.size") is not closes
        assert not HAND.takes(app, "LP-1.2", "loopy.size")
    finally:
        HAND.put_down()


def test_recover_is_one_more_sweep() -> None:
    rehearsal = Rehearsal(goes_on=False)
    app_of(rehearsal).tasks["loopy.recover"].apply()
    assert rehearsal.swept == 1
