"""The doorbell: one chain a ring, about a second at most, and never an exception for the broker's sake."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Message

from loopy.queue.app import make_app
from loopy.queue.doorbell import CeleryDoorbell
from loopy.queue.embedded.writerlock import WriterLock
from tests.queue.support import open_channel
from tests.support.servers import free_port


@contextmanager
def silent_server() -> Iterator[int]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def taken(url: str, queue: str) -> list[Message]:
    got: list[Message] = []
    with Connection(url) as connection, open_channel(connection) as channel:
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            got.append(message)
    return got


def content(message: Message) -> Any:
    return message.payload


def rung(url: str) -> tuple[bool, float]:
    bell = CeleryDoorbell(make_app(url))
    start = time.monotonic()
    answer = bell.ring("LP-1.1", 1, ["plan"])
    return answer, time.monotonic() - start


def test_one_ring_is_one_message_that_carries_the_whole_chain(url: str) -> None:
    bell = CeleryDoorbell(make_app(url))
    assert bell.ring("LP-12.3", 7, ["plan", "size", "route"])
    bell.close()
    (message,) = taken(url, "loop")
    args, kwargs, embed = content(message)
    assert (message.headers["task"], args, kwargs) == ("loopy.plan", ["LP-12.3", 7], {})
    assert [step["task"] for step in embed["chain"]] == ["loopy.route", "loopy.size"]  # Celery pops from the end
    assert all(step["args"] == ["LP-12.3", 7] and step["immutable"] for step in embed["chain"])
    headers: dict[str, Any] = dict(message.headers or {})
    assert (headers["eta"], headers["expires"], headers["ignore_result"]) == (None, None, True)


@pytest.mark.parametrize(
    ("step", "queue"), [("code", "code"), ("check", "checks"), ("ship", "integrations"), ("failover", "control")]
)
def test_a_ring_goes_to_the_queue_of_its_first_step(url: str, step: str, queue: str) -> None:
    assert CeleryDoorbell(make_app(url)).ring("LP-1.1", 1, [step])
    assert len(taken(url, queue)) == 1


def test_urgent_rings_come_first(url: str) -> None:
    bell = CeleryDoorbell(make_app(url))
    for priority in (0, 9, 4):
        assert bell.ring(f"LP-{priority}.1", 1, ["plan", "size"], priority=priority)
    assert [content(message)[0][0] for message in taken(url, "loop")] == ["LP-9.1", "LP-4.1", "LP-0.1"]


def test_a_ring_without_a_step_is_a_mistake_of_the_caller(url: str) -> None:
    with pytest.raises(ValueError, match="at least one step"):
        CeleryDoorbell(make_app(url)).ring("LP-1.1", 1, [])


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_dead_broker_is_false_in_about_a_second(scheme: str) -> None:
    answer, took_s = rung(f"{scheme}://127.0.0.1:{free_port()}/")
    assert answer is False
    assert took_s < 1.5


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_accepts_and_says_nothing_is_false_in_about_a_second(scheme: str) -> None:
    with silent_server() as port:
        answer, took_s = rung(f"{scheme}://127.0.0.1:{port}/")
    assert answer is False
    assert took_s < 1.8


@pytest.mark.slow
def test_a_broker_file_that_another_process_holds_is_false_in_about_a_second(url: str, path: Path) -> None:
    neighbour = WriterLock(path.with_suffix(".lock"))
    with neighbour.held(1.0):
        answer, took_s = rung(url)
    neighbour.close()
    assert answer is False
    assert took_s < 1.5
    assert rung(url)[0] is True


def test_one_warning_is_logged_per_outage_and_the_way_back_is_told(
    url: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "loopy.queue.doorbell")
    bell = CeleryDoorbell(make_app(url), wait_s=0.05)
    assert bell.ring("LP-1.1", 1, ["plan"])
    neighbour = WriterLock(path.with_suffix(".lock"))
    until = time.monotonic() + 0.3
    with neighbour.held(1.0):
        while time.monotonic() < until:
            assert bell.ring("LP-1.1", 1, ["plan"]) is False
    neighbour.close()
    while not bell.ring("LP-1.1", 1, ["plan"]):
        assert time.monotonic() < until + 5
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_failing_broker_is_left_alone_for_a_moment() -> None:
    with silent_server() as port:
        bell = CeleryDoorbell(make_app(f"redis://127.0.0.1:{port}/"), wait_s=0.5)
        assert bell.ring("LP-1.1", 1, ["plan"]) is False
        start = time.monotonic()
        for _ in range(20):
            assert bell.ring("LP-1.1", 1, ["plan"]) is False
        assert time.monotonic() - start < 0.3


def test_a_broker_file_that_was_deleted_is_rung_again_at_once(url: str, path: Path) -> None:
    bell = CeleryDoorbell(make_app(url))
    assert bell.ring("LP-1.1", 1, ["plan"])
    path.unlink()
    assert bell.ring("LP-1.2", 1, ["plan"])
    assert len(taken(url, "loop")) == 1


def test_rings_from_many_threads_all_arrive(url: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    bell = CeleryDoorbell(make_app(url), wait_s=10)

    def ring(n: int) -> bool:
        return bell.ring(f"LP-{n}.1", 1, ["plan"])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ring, range(100)))
    runs: list[Any] = [content(message)[0][0] for message in taken(url, "loop")]
    assert sorted(runs) == sorted(f"LP-{n}.1" for n in range(100))
