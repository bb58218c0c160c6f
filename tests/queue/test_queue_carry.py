"""A run that is in hand goes on in its thread: what is kept, what is posted, and when the broker's message is acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loopy.queue import carry
from loopy.queue.app import make_app
from loopy.queue.doorbell import CeleryDoorbell
from loopy.queue.hand import HAND
from tests.queue.support import process, wait_until, worker
from tests.queue.test_queue_doorbell import taken
from tests.queue.test_queue_worker import Running, depths, listening

RUN, OTHER = "LP-1.1", "LP-2.1"


@pytest.fixture
def bell(url: str) -> Iterator[CeleryDoorbell]:
    """The doorbell of a thread that has a run in hand."""
    HAND.carries = True
    HAND.hold(RUN, threading.Event())
    yield CeleryDoorbell(make_app(url))
    HAND.put_down()


# ---- what is kept


def test_the_run_in_hand_is_kept_and_nothing_is_posted(bell: CeleryDoorbell, url: str) -> None:
    assert bell.ring(RUN, 2, ["code", "check"])
    assert taken(url, "code") == []
    assert HAND.onward.headers["task"] == "loopy.code"
    args, _, embed = HAND.onward.body
    assert tuple(args) == (RUN, 2)
    assert [step["task"] for step in embed["chain"]] == ["loopy.check"]


def test_another_run_is_posted(bell: CeleryDoorbell, url: str) -> None:
    assert bell.ring(OTHER, 1, ["code"])
    assert (len(taken(url, "code")), HAND.onward) == (1, None)


def test_a_second_ring_of_the_run_in_hand_is_posted(bell: CeleryDoorbell, url: str) -> None:
    assert bell.ring(RUN, 2, ["code"])
    assert bell.ring(RUN, 3, ["check"])
    assert (taken(url, "code"), len(taken(url, "checks"))) == ([], 1)


def test_a_worker_that_closes_posts(bell: CeleryDoorbell, url: str) -> None:
    closing = threading.Event()
    HAND.hold(RUN, closing)
    closing.set()
    assert bell.ring(RUN, 2, ["code"])
    assert (len(taken(url, "code")), HAND.onward) == (1, None)


def test_what_this_worker_does_not_consume_is_posted(url: str) -> None:
    app = make_app(url)
    app.amqp.queues.select(["loop", "checks"])
    HAND.carries = True
    HAND.hold(RUN, threading.Event())
    try:
        assert CeleryDoorbell(app).ring(RUN, 2, ["code"])
        assert CeleryDoorbell(app).ring(RUN, 2, ["check"])
        assert HAND.onward.headers["task"] == "loopy.check"
    finally:
        HAND.put_down()
    assert (len(taken(url, "code")), taken(url, "checks")) == (1, [])


def test_another_threads_hand_is_another_hand(bell: CeleryDoorbell, url: str) -> None:
    beside = threading.Thread(target=lambda: bell.ring(RUN, 2, ["code"]))
    beside.start()
    beside.join(10)
    assert (len(taken(url, "code")), HAND.onward) == (1, None)


# ---- acknowledgements


def handle(message: Any, _body: Any, ack: Callable[[], None], *_: Any) -> None:
    """Stand for Celery's own strategy: run the task, then acknowledge it."""
    message.act()
    ack()


def delivered(monkeypatch: pytest.MonkeyPatch, *, acks_late: bool) -> list[str]:
    """Take a message that leaves another in hand, and start that; return what happened."""
    told: list[str] = []
    monkeypatch.setattr(carry, "default", lambda *_, **__: handle)
    take = carry.strategy(SimpleNamespace(name="loopy.code", acks_late=acks_late), None, None)
    message = SimpleNamespace(act=lambda: setattr(HAND, "onward", "the next"))
    take(message, None, lambda: told.append("acknowledged"), None, ())
    told.append("done")
    HAND.onward = None
    carried: Any = SimpleNamespace(act=lambda: told.append("carried"))
    carry.CARRIED["loopy.code"](carried)
    HAND.put_down()
    return told


def test_the_message_is_acknowledged_when_the_run_is_put_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert delivered(monkeypatch, acks_late=True) == ["done", "carried", "acknowledged"]


def test_it_is_acknowledged_before_a_task_that_may_outlast_the_brokers_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert delivered(monkeypatch, acks_late=False) == ["done", "acknowledged", "carried"]


def test_what_cannot_be_carried_on_is_put_down_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledged, said = list[int](), list[str]()
    monkeypatch.setattr(carry.log, "exception", said.append)

    def act() -> None:
        HAND.onward = SimpleNamespace(headers={"task": "loopy.unheard_of"}, body=(), properties={})
        HAND.acknowledge(lambda: acknowledged.append(1))

    carry._carry(act)
    assert (acknowledged, HAND.onward, HAND.carries) == ([1], None, False)
    assert said == ["a task could not be carried on"]


# ---- a real worker


@pytest.fixture
def running(tmp_path: Path) -> Running:
    running = Running(tmp_path)
    running.env["TEST_CARRIES"] = "1"
    return running


def ring_after(running: Running, step: str, run_id: str, *ring: str) -> None:
    """At the end of the step the run's task rings this."""
    (running.folder / f"ring-{step}-{run_id}").write_text(" ".join(ring))


@pytest.mark.slow
def test_a_thread_goes_on_with_its_run_and_owes_the_one_message(running: Running) -> None:
    ring_after(running, "plan", RUN, RUN, "code", "check")
    gates = [running.hold(step, RUN) for step in ("code", "check")]
    with process(*worker("-n", "carrier@loopy"), log=running.log, **running.env):
        assert running.bell.ring(RUN, 1, ["plan"])
        wait_until(lambda: running.done(RUN) == ["plan", "code"], 20)
        assert {name: depths(running).get(name, (0, 0)) for name in ("loop", "code")} == {
            "loop": (0, 1),
            "code": (0, 0),
        }
        active = running.app.control.inspect(["carrier@loopy"], timeout=5).active() or {}
        assert [(task["name"], task["args"]) for task in active["carrier@loopy"]] == [("loopy.code", [RUN, 2])]
        gates[0].unlink()
        wait_until(lambda: running.done(RUN) == ["plan", "code", "check"])
        assert depths(running)["loop"] == (0, 1)
        gates[1].unlink()
        wait_until(lambda: depths(running)["loop"] == (0, 0))
    assert "Traceback" not in running.log.read_text()


@pytest.mark.slow
def test_flower_hears_of_a_carried_task_as_of_any_other(running: Running) -> None:
    ring_after(running, "plan", RUN, RUN, "code", "check")
    with process(*worker("-n", "carrier@loopy"), log=running.log, **running.env):
        wait_until(lambda: running.app.control.inspect(timeout=0.3).ping(), 20)
        with listening(running) as seen:
            assert running.bell.ring(RUN, 1, ["plan"])

            def told(kind: str) -> list[str]:
                names = {event["uuid"]: event["name"] for event in seen if event["type"] == "task-received"}
                return [names[event["uuid"]] for event in seen if event["type"] == kind]

            wait_until(lambda: len(told("task-succeeded")) == 3, 10)
            assert told("task-received") == ["loopy.plan", "loopy.code", "loopy.check"]
            assert told("task-started") == told("task-succeeded") == told("task-received")


@pytest.mark.slow
def test_many_runs_are_carried_at_once_and_none_waits_for_ever(running: Running) -> None:
    runs = [f"LP-3.{n}" for n in range(30)]
    for run in runs:
        ring_after(running, "route", run, run, "code", "check", "evidence")
    with process(*worker("-n", "carrier@loopy"), log=running.log, **running.env):
        assert all(running.bell.ring(run, 1, ["plan", "size", "route"]) for run in runs)
        turn = ["plan", "size", "route", "code", "check", "evidence"]
        wait_until(lambda: all(running.done(run) == turn for run in runs), 30)
        wait_until(lambda: all(depth == (0, 0) for depth in depths(running).values()))


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_posts_what_comes_next(running: Running) -> None:
    ring_after(running, "plan", RUN, RUN, "code", "check")
    gates = [running.hold(step, RUN) for step in ("code", "check")]
    with process(*worker("-n", "carrier@loopy"), log=running.log, **running.env) as stopping:
        assert running.bell.ring(RUN, 1, ["plan"])
        wait_until(lambda: running.done(RUN) == ["plan", "code"], 20)
        stopping.terminate()
        wait_until((running.folder / "closing").exists)
        gates[0].unlink()
        wait_until(lambda: depths(running)["loop"] == (0, 0))
        assert sum(depths(running)["checks"]) == 1  # for another worker; this one may have asked for one more before
        gates[1].unlink()
        assert stopping.wait(15) == 0


@pytest.mark.slow
def test_celerys_own_pool_of_threads_posts(running: Running) -> None:
    ring_after(running, "plan", RUN, RUN, "code")
    gate = running.hold("code", RUN)
    with process(*worker("-n", "plain@loopy", "-P", "threads"), log=running.log, **running.env):
        assert running.bell.ring(RUN, 1, ["plan"])
        wait_until(lambda: running.done(RUN) == ["plan", "code"], 20)
        wait_until(lambda: (depths(running)["loop"], depths(running)["code"]) == ((0, 0), (0, 1)))
        gate.unlink()
