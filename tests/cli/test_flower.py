"""Flower is never open: on the loopback interface, and behind a password, however it is started."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.servers import free_port

from .support import House

ROOT = Path(__file__).parents[2]


@contextmanager
def flower(house: House, port: int, **env: str) -> Iterator[dict[str, Any]]:
    """Start `loopy flower` and yield what it says of itself."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("LOOPY_", "FLOWER_"))}
    argv = [sys.executable, "-P", "-m", "loopy.cli.main", "flower", "--port", str(port), "--json"]
    process = subprocess.Popen(
        argv,
        env={**plain, "LOOPY_HOME": str(house.home), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield {**json.loads(process.stdout.readline()), "process": process.pid}
    finally:
        process.kill()
        process.communicate()


def status(url: str, login: str = "") -> int:
    """Return the HTTP status, once it answers."""
    asked = urllib.request.Request(url)
    if login:
        asked.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    give_up = time.monotonic() + 30
    while True:
        try:
            return int(urllib.request.urlopen(asked, timeout=5).status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            assert time.monotonic() < give_up, "Flower does not answer"
            time.sleep(0.1)


@pytest.mark.slow
def test_flower_asks_for_the_password_that_it_made_and_listens_on_the_loopback_interface_only(settled: House) -> None:
    with flower(settled, free_port()) as said:
        assert status(said["url"]) == 401
        assert status(said["url"], f"loopy:{said['password']}") == 200
        listening = [
            c for c in psutil.Process(said["process"]).net_connections("tcp") if c.status == psutil.CONN_LISTEN
        ]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}


@pytest.mark.slow
def test_flower_takes_the_password_of_the_environment_and_does_not_tell_it(settled: House) -> None:
    with flower(settled, free_port(), FLOWER_BASIC_AUTH="ada:correct-horse") as said:
        assert "password" not in said
        assert status(said["url"]) == 401
        assert status(said["url"], "ada:correct-horse") == 200


@pytest.mark.parametrize("login", ["ada", "ada:", ":word", "ada:word,bob", " : "])
def test_a_login_without_a_password_is_refused(settled: House, login: str) -> None:
    env = {**os.environ, "LOOPY_HOME": str(settled.home), "FLOWER_BASIC_AUTH": login}
    argv = [
        sys.executable,
        "-P",
        "-m",
        "loopy.cli.main",
        "flower",
        "--port",
        str(free_port()),
    ]  # becomes Flower if it may
    said = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=30)
    assert said.returncode == 2
    assert said.stderr.startswith("error: FLOWER_BASIC_AUTH: ")
    assert "user:password" in said.stderr
