"""The very commands of the Procfile and of the compose file, started as they are written: a ticket ships through them."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose import ROOT, services
from tests.deploy.crew import Crew, crew
from tests.stack.house import House, house, redis_server, wait_until
from tests.stack.test_kill import assert_chain_whole, assert_shipped_once
from tests.support.servers import free_port, postgres, postgres_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LOGIN = "ada:correct-horse"


def procfile() -> dict[str, str]:
    """Return the commands of the Procfile by their names."""
    rows = re.findall(r"^([A-Za-z0-9_-]+):\s*(.+)$", (ROOT / "Procfile").read_text(), re.MULTILINE)
    assert len(rows) == len((ROOT / "Procfile").read_text().splitlines())
    return dict(rows)


def asked(port: int, page: str, login: str = "") -> tuple[int, bytes]:
    """Return the status and body of a page of Flower; 0 while nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{page}")
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with closing(urllib.request.urlopen(request, timeout=10)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with closing(error):
            return error.code, b""
    except OSError:
        return 0, b""


def assert_they_serve(on: House, staff: Crew, port: int) -> None:
    """A ticket ships by that worker, that beat fires a task that it does, that Flower sees both behind its login."""
    staff.until_said("worker", " ready.")
    run_id = on.file("tidy")
    on.until_ended(run_id)
    assert_shipped_once(on, run_id)
    assert_chain_whole(on, 1)
    assert [os.getsid(pid) for pid in on.rows().values()] == [staff.processes["worker"].pid]
    staff.until_said("beat", "Sending due task recover (loopy.recover)")
    staff.until_said("worker", "Task loopy.recover[")
    wait_until(lambda: asked(port, "/healthcheck")[0] == 200, "Flower answers")
    assert asked(port, "/")[0] == 401
    assert asked(port, "/", "ada:wrong")[0] == 401
    node = f"celery@{socket.gethostname()}"
    wait_until(lambda: node in asked(port, "/workers?json=1", LOGIN)[1].decode(), f"Flower sees {node}")
    wait_until(lambda: b"loopy.recover" in asked(port, "/api/tasks", LOGIN)[1], "Flower is told what the worker does")


def assert_they_stop(on: House, staff: Crew) -> None:
    names = list(staff.processes)
    assert staff.stop(*names) == dict.fromkeys(names, 0), {name: staff.said(name)[-2000:] for name in names}
    told = subprocess.run(
        [sys.executable, "-P", "-m", "loopy", "fsck", "--json"], env=dict(on.stage.env), capture_output=True, text=True
    )
    assert (told.returncode, json.loads(told.stdout)["breaches"]) == (0, []), told.stderr
    assert list(on.stage.made.settings.alive.iterdir()) == []


@pytest.mark.parametrize("graph", ["sqlite", "postgres"])
def test_a_ticket_ships_through_the_processes_of_the_procfile(graph: str, tmp_path: Path) -> None:
    port, lines = free_port(), procfile()
    env = {"FLOWER_PORT": str(port), "FLOWER_BASIC_AUTH": LOGIN}
    with ExitStack() as stack:
        env["LOOPY_BROKER_URL"] = stack.enter_context(own_redis(tmp_path))
        if graph == "postgres":
            env["LOOPY_DATABASE_URL"] = stack.enter_context(own_postgres()).fresh()
        on, staff = stack.enter_context(house(**env)), stack.enter_context(crew(tmp_path))
        for name, line in lines.items():
            staff.start(name, line, on.stage.env)
        assert set(lines) == {"worker", "beat", "flower"}
        assert_they_serve(on, staff, port)
        assert_they_stop(on, staff)
        assert on.stage.made.settings.broker_db.exists() is False


@contextmanager
def own_redis(folder: Path) -> Iterator[str]:
    import shutil

    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with redis_server(folder) as url:
        yield url


@contextmanager
def own_postgres() -> Iterator[Any]:
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres() as server:
        yield server


class Moved:
    """The compose file's services, moved from their containers to this machine: other addresses, the same words."""

    def __init__(self, words: Mapping[str, str], places: Mapping[str, str]) -> None:
        self.services, self.places = services(words), places

    def here(self, word: str) -> str:
        for there, here in self.places.items():
            word = word.replace(there, here)
        return word

    def command(self, name: str) -> list[str]:
        return [self.here(word) for word in self.services[name]["command"]]

    def env(self, name: str, base: Mapping[str, str]) -> dict[str, str]:
        told = {key: self.here(value) for key, value in self.services[name].get("environment", {}).items()}
        return {**base, **told}

    def healthy(self, name: str, base: Mapping[str, str], *more: str) -> bool:
        """Run the service's own health check, with these words after its program's name."""
        how, program, *words = self.services[name]["healthcheck"]["test"]
        assert how == "CMD"
        argv = [program, *more, *map(self.here, words)]
        return subprocess.run(argv, env=self.env(name, base), capture_output=True, timeout=60).returncode == 0


def test_a_ticket_ships_through_the_processes_of_the_compose_file(tmp_path: Path) -> None:
    redis_port, flower_port = free_port(), free_port()
    with ExitStack() as stack:
        url = stack.enter_context(own_postgres()).fresh()
        word, address = re.fullmatch(r"postgresql\+psycopg://loopy:([^@]+)@(.+)", url).groups()  # type: ignore[union-attr]
        words = {"POSTGRES_PASSWORD": word, "REDIS_PASSWORD": secrets.token_urlsafe(12), "FLOWER_BASIC_AUTH": LOGIN}
        places = {
            "postgres:5432/loopy": address,
            "redis:6379": f"127.0.0.1:{redis_port}",
            "--address=0.0.0.0": "--address=127.0.0.1",
            "5555": str(flower_port),
            "celery@worker": f"celery@{socket.gethostname()}",
        }
        moved = Moved(words, places)
        on = stack.enter_context(
            house(LOOPY_DATABASE_URL=url, LOOPY_BROKER_URL=moved.env("beat", {})["LOOPY_BROKER_URL"])
        )
        moved.places = {**places, "/home/loopy/.loopy": on.stage.env["LOOPY_HOME"]}
        staff = stack.enter_context(crew(tmp_path))
        own = ["--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
        staff.start("redis", [*moved.command("redis"), *own], moved.env("redis", on.stage.env))
        wait_until(lambda: moved.healthy("redis", on.stage.env, "-p", str(redis_port)), "redis is healthy")
        assert not moved.healthy("redis", on.stage.env, "-p", str(redis_port), "--pass", "wrong")
        ready = {**on.stage.env, "PATH": f"{postgres_folder()}{os.pathsep}{on.stage.env['PATH']}"}
        assert moved.healthy("postgres", ready, "--port", address.partition(":")[2].partition("/")[0])
        assert not moved.healthy("postgres", ready, "--port", str(free_port()))
        migrated = subprocess.run(
            moved.command("migrate"), env=moved.env("migrate", on.stage.env), capture_output=True, text=True
        )
        assert (migrated.returncode, "went from nothing to schema" in migrated.stdout) == (0, True), migrated
        for name in ("worker", "beat", "flower"):
            staff.start(name, moved.command(name), moved.env(name, on.stage.env))
        assert_they_serve(on, staff, flower_port)
        for name in ("worker", "flower"):
            assert moved.healthy(name, on.stage.env), name
        assert staff.stop("worker", "flower") == {"worker": 0, "flower": 0}
        for name in ("worker", "flower"):
            assert not moved.healthy(name, on.stage.env), name
        assert_they_stop(on, staff)
        assert {"redis", "postgres", "migrate", "worker", "beat", "flower"} == set(moved.services)
