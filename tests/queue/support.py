"""What the queue's tests share: bounded waiting, and processes that are ended by their own id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kombu import Connection

from loopy.queue.embedded.channel import Channel

ROOT = Path(__file__).parents[2]


def wait_until(holds: Callable[[], object], timeout_s: float = 10.0) -> float:
    """Return how many seconds it took until `holds()` was true; AssertionError when it never was."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < timeout_s, f"still not so after {timeout_s} s: {holds}"
        time.sleep(0.005)
    return time.monotonic() - start


def open_channel(connection: Connection) -> Channel:
    """Open a channel of the embedded transport."""
    channel = connection.channel()
    assert isinstance(channel, Channel)
    return channel


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def process(*argv: str, log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python argv` in the project's root; it is gone afterwards."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, *argv],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
        )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(8)
        if child.poll() is None:
            child.kill()
            child.wait(5)


def worker(*options: str) -> list[str]:
    """The command of a real Celery worker on the sample tasks."""
    return [
        "-m",
        "celery",
        "-A",
        "tests.queue.sample:app",
        "worker",
        "-c",
        "2",
        "-l",
        "INFO",
        *options,
    ]
