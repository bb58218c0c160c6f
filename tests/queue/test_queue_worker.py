"""A real Celery worker on the embedded broker: chains, control, events, revoke, Flower."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from loopy.queue.app import make_app
from loopy.queue.doorbell import CeleryDoorbell
from loopy.queue.embedded.url import embedded_url
from loopy.queue.probe import probe
from tests.queue.support import lines, process, wait_until, worker
from tests.queue.test_queue_app import Bomb
from tests.support.servers import free_port

pytestmark = pytest.mark.slow
TURN = ["plan", "size", "route", "code", "check", "evidence", "ship"]


class Running:
    """A worker process on the sample tasks, and what its tasks wrote down."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.url = url or embedded_url(folder / "broker.db")
        self.folder, self.out, self.log = folder, folder / "out", folder / "log"
        self.env = {"TEST_BROKER": self.url, "TEST_OUT": str(self.out)}
        self.app: Celery = make_app(self.url)
        self.bell = CeleryDoorbell(self.app)

    def done(self, run_id: str) -> list[str]:
        """The steps that have begun for the run, in order."""
        return [line.split()[0] for line in lines(self.out) if line.split()[1] == run_id]

    def hold(self, step: str, run_id: str) -> Path:
        gate = self.folder / f"hold-{step}-{run_id}"
        gate.touch()
        return gate


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("worker"))
    with process(*worker("-n", "w1@loopy"), log=running.log, **running.env):
        wait_until(lambda: running.app.control.inspect(timeout=0.3).ping(), 20)
        yield running


def test_a_worker_runs_a_chain_in_order(running: Running) -> None:
    assert running.bell.ring("LP-1.1", 3, TURN)
    wait_until(lambda: len(running.done("LP-1.1")) == len(TURN))
    assert running.done("LP-1.1") == TURN


def test_many_chains_all_end(running: Running) -> None:
    runs = [f"LP-2.{n}" for n in range(40)]
    assert all(running.bell.ring(run, 1, TURN) for run in runs)
    wait_until(lambda: all(len(running.done(run)) == len(TURN) for run in runs), 30)
    assert all(running.done(run) == TURN for run in runs)


def test_inspect_ping_is_answered_again_and_again(running: Running) -> None:
    for _ in range(3):
        assert running.app.control.inspect(["w1@loopy"], timeout=5).ping() == {"w1@loopy": {"ok": "pong"}}


def test_inspect_sees_what_runs(running: Running) -> None:
    gate = running.hold("code", "LP-3.1")
    assert running.bell.ring("LP-3.1", 1, ["code"])
    wait_until(lambda: running.done("LP-3.1"))
    active = running.app.control.inspect(["w1@loopy"], timeout=5).active()
    gate.unlink()
    assert active is not None
    assert [task["args"] for task in active["w1@loopy"]] == [["LP-3.1", 1]]


@contextmanager
def listening(running: Running) -> Iterator[list[dict[str, Any]]]:
    """Yield the events as they come, all workers sending them while the block runs."""
    seen: list[dict[str, Any]] = []
    ready, stop = threading.Event(), threading.Event()

    def capture() -> None:
        with running.app.connection_for_read() as connection:
            receiver = running.app.events.Receiver(connection, handlers={"*": seen.append})
            with receiver.consumer_context() as (active, _, _):
                ready.set()
                while not stop.is_set():
                    with suppress(TimeoutError):
                        active.drain_events(timeout=0.2)

    listener = threading.Thread(target=capture)
    listener.start()
    try:
        assert ready.wait(5)
        assert running.app.control.enable_events(reply=True, timeout=5)  # as Flower does every few seconds
        yield seen
        assert running.app.control.disable_events(reply=True, timeout=5)
        assert any(name.startswith("celeryev.") for name in depths(running))
    finally:
        stop.set()
        listener.join(5)


def test_events_of_tasks_and_workers_arrive(running: Running) -> None:
    with listening(running) as seen:
        assert running.bell.ring("LP-4.1", 1, ["plan"])
        wanted = {"task-received", "task-started", "task-succeeded", "worker-heartbeat"}
        wait_until(lambda: wanted <= {event["type"] for event in seen}, 10)
    assert not any(name.startswith("celeryev.") for name in depths(running))


def depths(running: Running) -> dict[str, tuple[int, int]]:
    from loopy.queue.embedded import messages
    from loopy.queue.embedded.registry import borrow, give_back
    from loopy.queue.embedded.url import path_of

    file = borrow(path_of(running.url))
    try:
        return messages.depths(file)
    finally:
        give_back(file)


def test_a_revoked_task_does_not_run(running: Running) -> None:
    gates = [running.hold("code", f"LP-5.{n}") for n in range(2)]
    for n in range(2):  # both threads are busy
        assert running.bell.ring(f"LP-5.{n}", 1, ["code"])
    wait_until(lambda: running.done("LP-5.0") and running.done("LP-5.1"))
    revoked = running.app.send_task("loopy.code", args=("LP-5.9", 1))
    running.app.control.revoke(revoked.id, reply=True, timeout=1)
    for gate in gates:
        gate.unlink()
    assert running.bell.ring("LP-5.5", 1, ["code"])
    wait_until(lambda: running.done("LP-5.5"))
    assert running.done("LP-5.9") == []


def test_a_pickled_message_is_thrown_away_and_the_worker_goes_on(running: Running) -> None:
    mark = running.folder / "ran"
    with running.app.connection_for_write() as connection:
        connection.Producer().publish(Bomb(mark), routing_key="loop", serializer="pickle")
    assert running.bell.ring("LP-6.1", 1, ["plan"])
    wait_until(lambda: running.done("LP-6.1"))
    wait_until(lambda: depths(running)["loop"] == (0, 0))
    assert not mark.exists()


def test_flower_sees_the_worker_and_its_tasks(running: Running, tmp_path: Path) -> None:
    port = free_port()
    command = ["-m", "celery", "-A", "tests.queue.sample:app", "flower", "--address=127.0.0.1", f"--port={port}"]
    flower = {**running.env, "FLOWER_UNAUTHENTICATED_API": "true"}

    def get(page: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/{page}", timeout=5) as answer:
                return json.load(answer)
        except OSError:
            return {}

    with process(*command, log=tmp_path / "flower.log", **flower):
        wait_until(lambda: "w1@loopy" in get("workers?refresh=true"), 30)

        def seen() -> bool:  # what runs before Flower has turned the events on stays unseen
            assert running.bell.ring("LP-7.1", 1, ["plan"])
            time.sleep(0.2)
            return any("LP-7.1" in str(task["args"]) for task in get("tasks").values())

        wait_until(seen, 20)


def test_a_killed_workers_running_task_is_given_to_a_survivor(tmp_path: Path) -> None:
    running = Running(tmp_path)
    gate = running.hold("code", "LP-8.1")
    with process(*worker("-n", "victim@loopy"), log=running.log, **running.env) as victim:
        assert running.bell.ring("LP-8.1", 1, ["code", "check"])
        wait_until(lambda: running.done("LP-8.1") == ["code"], 20)
        with process(*worker("-n", "survivor@loopy"), log=running.log, **running.env):
            wait_until(lambda: running.app.control.inspect(["survivor@loopy"], timeout=1).ping(), 20)
            victim.kill()
            took_s = wait_until(lambda: running.done("LP-8.1") == ["code", "code"])
            gate.unlink()
            wait_until(lambda: running.done("LP-8.1") == ["code", "code", "check"])
    assert took_s < 1.0


def test_a_worker_that_is_told_to_stop_puts_back_what_it_had_not_begun(tmp_path: Path) -> None:
    running = Running(tmp_path)
    gates = [running.hold("code", f"LP-9.{n}") for n in range(2)]
    with process(*worker("-n", "w2@loopy"), log=running.log, **running.env) as stopping:
        for n in range(6):
            assert running.bell.ring(f"LP-9.{n}", 1, ["code"])
        wait_until(lambda: running.done("LP-9.0") and running.done("LP-9.1"), 20)
        stopping.terminate()
        wait_until(lambda: "Warm shutdown" in running.log.read_text())
        for gate in gates:
            gate.unlink()
        assert stopping.wait(15) == 0
    begun = len(lines(running.out))
    assert depths(running)["code"] == (6 - begun, 0)
    assert 2 <= begun < 6


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    with redis_server(port := free_port(), tmp_path):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def redis_server(port: int, folder: Path) -> Iterator[None]:
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: probe(f"redis://127.0.0.1:{port}/0")[0].ok)
        try:
            yield
        finally:
            server.terminate()


def test_the_same_chains_and_priorities_run_on_a_real_redis(redis_url: str, tmp_path: Path) -> None:
    running = Running(tmp_path, redis_url)
    for run_id, priority in (("LP-0.1", 0), ("LP-9.1", 9), ("LP-0.2", 0), ("LP-9.2", 9)):
        assert running.bell.ring(run_id, 1, TURN, priority=priority)
    with process(*worker("-n", "w3@loopy", "-c", "1"), log=running.log, **running.env):
        wait_until(lambda: len(lines(running.out)) == 4 * len(TURN), 20)
    first_two = {line.split()[1] for line in lines(running.out)[:2]}
    assert first_two == {"LP-9.1", "LP-9.2"}
    assert running.done("LP-0.1") == TURN


def test_a_redis_that_was_restarted_is_rung_again_at_once(tmp_path: Path) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on this machine")
    port = free_port()
    bell = CeleryDoorbell(make_app(f"redis://127.0.0.1:{port}/0"))
    with redis_server(port, tmp_path):
        assert bell.ring("LP-1.1", 1, ["plan"])
    with redis_server(port, tmp_path):
        assert bell.ring("LP-1.2", 1, ["plan"])


def test_a_real_redis_without_persistence_is_found(redis_url: str) -> None:
    findings = {finding.name: finding.ok for finding in probe(redis_url)}
    assert findings == {"broker": True, "broker version": True, "broker persistence": False, "broker eviction": True}
