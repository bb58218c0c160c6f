"""A worker that consumes nothing although it is connected: it notices, starts anew in its own place, and the work goes on."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import psutil
import pytest

from loopy.domain.errors import AwayError
from loopy.domain.states import Verdict
from loopy.engine.hearing import RINGS, Hearing
from loopy.process import background
from loopy.process.background import Background
from loopy.queue.app import QUEUES
from tests.stack.house import House, house, wait_until
from tests.stack.test_kill import assert_chain_whole, assert_shipped_once, deaths
from tests.support.servers import RABBITMQ, rabbitmq
from workers.watchdog import ANEW, Watchdog, started_anew

DEAF_S = 6
OURS = ("-P", "-m", "workers", "--ephemeral")
CELERYS = ("-m", "celery", "-A", "workers.app", "worker")


class Ears:
    """Ears that answer as they are told, and say how often they were asked."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers, self.heard, self.asked = list(answers), 0, 0

    def look(self) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else ""
        if isinstance(answer, Exception):
            raise answer
        return answer


def dog(ears: Ears, bark: object = None, deaf_s: float = 0.006, before: int = 0) -> Watchdog:
    return Watchdog(cast("Hearing", ears), deaf_s, before, bark if callable(bark) else lambda _why: None)


def test_the_watchdog_barks_once_and_outlives_a_graph_that_is_away() -> None:
    ears, barked, done = (
        Ears("", AwayError("work graph", "locked"), KeyError("x"), "deaf"),
        list[str](),
        threading.Event(),
    )

    def bark(why: str) -> None:
        barked.append(why)
        done.set()

    watchdog = dog(ears, bark)
    watchdog.start()
    assert done.wait(20)
    watchdog._thread.join(20)
    assert (barked, ears.asked) == (["deaf"], 4)


def test_a_start_that_did_not_help_is_repeated_ever_more_slowly_and_never_faster_than_a_bound() -> None:
    pauses = [dog(Ears(), deaf_s=60, before=n).pause_s * RINGS for n in range(7)]
    assert pauses == [60, 120, 240, 480, 960, 960, 960]


def test_a_worker_that_has_heard_something_begins_to_count_anew() -> None:
    ears = Ears()
    watchdog = dog(ears, before=3)
    assert watchdog.next == 4
    ears.heard = 1
    assert watchdog.next == 1


@pytest.mark.parametrize(("said", "times"), [("", 0), ("3", 3), ("-1", 0), ("many", 0), ("99999", 0)])
def test_what_the_environment_says_of_earlier_starts_is_read_with_care(said: str, times: int) -> None:
    assert started_anew({ANEW: said}) == times


@pytest.fixture
def on(request: pytest.FixtureRequest) -> Iterator[House]:
    with ExitStack() as stack:
        env = {}
        if request.param == "rabbitmq":
            if not RABBITMQ.exists():
                pytest.skip("rabbitmq is not installed (Debian: apt-get install rabbitmq-server)")
            env["LOOPY_BROKER_URL"] = stack.enter_context(rabbitmq()).url
        made = stack.enter_context(house(**env))
        with made.stage.made.settings.file.open("a", encoding="utf-8") as file:
            file.write(f"\n[worker]\ndeaf_s = {DEAF_S}\n")
        yield made


def deafened(on: House, words: tuple[str, ...]) -> tuple[Background, Path]:
    """Start a worker, and let it stop consuming while it stays connected."""
    log = on.stage.folder / "worker.log"
    worker = background.start((sys.executable, *words), on.stage.env, log)
    on.workers.append(worker)
    control = on.stage.made.app.control

    def consumed() -> list[int]:
        return [len(queues) for queues in (control.inspect(timeout=0.5).active_queues() or {}).values()]

    wait_until(lambda: consumed() == [len(QUEUES)], "the worker consumes")
    for queue in QUEUES:
        control.cancel_consumer(queue)
    wait_until(lambda: consumed() == [0], "the worker does not consume any more")
    return worker, log


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("on", "words"), [("embedded", OURS), ("embedded", CELERYS), ("rabbitmq", OURS)], indirect=["on"]
)
def test_a_lone_deaf_worker_starts_anew_and_the_work_goes_on(on: House, words: tuple[str, ...]) -> None:
    worker, log = deafened(on, words)
    assert list(on.rows().values()) == [worker.pid]
    run_id = on.file("fix")
    took = on.until_ended(run_id)
    print(f"deaf_s {DEAF_S}: ended {took:.1f} s after it was filed before a deaf worker")
    assert worker.alive
    assert list(on.rows().values()) == [worker.pid] * 2, "the same process, a new life"
    assert psutil.Process(worker.pid).environ()[ANEW] == "1"
    assert on.run(run_id).verdict is Verdict.PASSED
    assert deaths(on, run_id) == 0
    assert_shipped_once(on, run_id)
    assert_chain_whole(on, 1)
    worker.process.terminate()
    assert worker.process.wait(30) == 0
    said = [line for line in log.read_text(encoding="utf-8").splitlines() if "starts anew" in line]
    assert len(said) == 1, said
    assert f"nothing is heard here: {run_id} was rung {RINGS + 1} times" in said[0]
