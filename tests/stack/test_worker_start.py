"""A worker that cannot set itself up ends at once, says why in a line, and consumes nothing."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from loopy.bootstrap.desk import desk
from loopy.bootstrap.services import Services, services
from loopy.domain.agent import Tried
from loopy.domain.errors import ConfigError, LoopyError
from loopy.domain.events import StreamEvent
from loopy.engine.order import acting_s
from loopy.ports import Workspace
from loopy.process import background, silence
from loopy.process.capture import probe
from loopy.process.command import Command, Ending
from loopy.process.slots import Slots
from tests.stack.house import wait_until
from workers.runtime import Runtime
from workers.signals import begin

if TYPE_CHECKING:
    from workers.app import Shell

ROOT = Path(__file__).parents[2]
OURS = ("-P", "-m", "workers", "--no-beat")
CELERYS = ("-m", "celery", "-A", "workers.app", "worker")
NO_DATABASE = b"this is no database\n" * 1000


def wrong_setting(home: Path) -> None:
    (home / "loopy.toml").write_text('lease_s = "soon"\n')


def absent_sandbox(home: Path) -> None:
    (home / "loopy.toml").write_text('[sandbox]\nbackend = "landlock"\n')


def damaged_graph(home: Path) -> None:
    (home / "loopy.db").write_bytes(NO_DATABASE)


def newer_graph(home: Path) -> None:
    with sqlite3.connect(home / "loopy.db") as graph:
        graph.execute("UPDATE alembic_version SET version_num = '9999'")
    graph.close()


def open_key(home: Path) -> None:
    (home / "keys" / "ship_ed25519").chmod(0o644)


def no_key(home: Path) -> None:
    (home / "keys" / "ship_ed25519").write_text("this is no key")


FAULTS: dict[str, tuple[Callable[[Path], None], int, str]] = {
    "a wrong setting": (wrong_setting, 2, "lease_s: should be a valid integer"),
    "an absent sandbox": (absent_sandbox, 2, "'landlock' is not available"),
    "a damaged graph": (damaged_graph, 3, "file is not a database"),
    "a newer graph": (newer_graph, 3, "has schema 9999"),
    "a key that others may read": (open_key, 1, "chmod 600"),
    "no key": (no_key, 1, "is not an OpenSSH key"),
}


def furnished(home: Path) -> Services:
    """A home that a worker has lived in, with one message that waits in the embedded broker."""
    made = services({**os.environ, "LOOPY_HOME": str(home)})
    desk(made, "before")
    with made.app.connection_for_write() as connection:
        made.app.send_task("loopy.plan", args=("LP-1.1", 1), queue="loop", connection=connection)
    made.graph.close()
    return made


def waiting(home: Path) -> list[tuple[str, str | None]]:
    """Return queue and owner of every message in the embedded broker."""
    with sqlite3.connect(home / "broker.db") as broker:
        rows = broker.execute("SELECT queue, owner FROM message").fetchall()
    broker.close()
    return rows


def started(entry: tuple[str, ...], home: Path) -> tuple[int | None, list[str]]:
    """Start a worker on the home; return its exit code and what it said on stderr."""
    env = {**os.environ, "LOOPY_HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    seen = probe((sys.executable, *entry), env, 30.0)
    assert seen.exit.ending is Ending.EXITED
    return seen.exit.code, seen.stderr.decode().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that_cannot_set_itself_up_ends_with_a_line_and_consumes_nothing(fault: str, tmp_path: Path) -> None:
    furnished(tmp_path)
    harm, code, word = FAULTS[fault]
    harm(tmp_path)
    ended, said = started(OURS, tmp_path)
    assert (ended, len(said)) == (code, 1), said
    assert said[0].startswith("error: ")
    assert word in said[0]
    assert waiting(tmp_path) == [("loop", None)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["a wrong setting", "a newer graph", "no key"])
def test_a_worker_that_celerys_own_command_starts_ends_so_too(fault: str, tmp_path: Path) -> None:
    furnished(tmp_path)
    harm, code, word = FAULTS[fault]
    harm(tmp_path)
    ended, said = started(CELERYS, tmp_path)
    assert ended == code, said
    assert [word in line for line in said if line.startswith("error: ")] == [True]
    assert waiting(tmp_path) == [("loop", None)]


@pytest.mark.slow
def test_a_worker_on_a_broken_broker_file_ends_and_says_that_it_may_be_deleted(tmp_path: Path) -> None:
    furnished(tmp_path)
    for rest in ("-wal", "-shm"):
        (tmp_path / f"broker.db{rest}").unlink(missing_ok=True)
    (tmp_path / "broker.db").write_bytes(NO_DATABASE)
    ended, said = started(OURS, tmp_path)
    assert (ended, len(said)) == (3, 1), said
    assert "stop the workers and delete it" in said[0]


class Refusing:
    """A shell whose start fails, as Celery's signal finds it."""

    as_json = False

    def __init__(self, error: Exception) -> None:
        self._error = error

    def start(self, _queues: tuple[str, ...]) -> None:
        raise self._error


def test_a_start_that_fails_is_an_exit_since_celery_swallows_errors(capsys: pytest.CaptureFixture[str]) -> None:
    shell = cast("Shell", Refusing(ConfigError("lease_s", "too short", hint="say more")))
    with pytest.raises(SystemExit) as ended:
        begin(shell, ("loop",))
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: lease_s: too short (say more)\n"


def no_table(home: Path) -> None:
    with sqlite3.connect(home / "loopy.db") as graph:
        graph.execute("ALTER TABLE worker RENAME TO gone")
    graph.close()


@pytest.mark.parametrize(
    ("harm", "word"), [(no_key, "no key|OpenSSH key"), (newer_graph, "9999"), (no_table, "no such table")]
)
def test_a_start_that_fails_leaves_no_lock_behind(harm: Callable[[Path], None], word: str, tmp_path: Path) -> None:
    made = furnished(tmp_path)
    harm(tmp_path)
    with pytest.raises(LoopyError, match=word):
        Runtime.start(services(made.env), ("loop",))
    assert list((tmp_path / "alive").iterdir()) == []


class Leash:
    """A leash whose claim is cancelled as soon as somebody waits on it."""

    run_id, token = "LP-1.1", 1

    def __init__(self) -> None:
        self.said: list[str] = []

    def authorised(self) -> bool:
        return True

    def stopping(self) -> str | None:
        return "cancelled"

    def emit(self, *events: StreamEvent) -> None:
        self.said += [event.text for event in events]


def test_a_worker_starts_no_check_beyond_the_hosts_limit(tmp_path: Path) -> None:
    (tmp_path / "loopy.toml").write_text("[limits]\nchecks = 1\n")
    runtime, leash = Runtime.start(furnished(tmp_path), ("loop",)), Leash()
    try:
        place = Workspace("LP-1.1", "/repo", "c0ffee", tmp_path, tmp_path, tmp_path / "lock")
        with Slots(tmp_path / "slots" / "checks", 1).one():
            got = runtime.performer.desk.checker.run((), (), "7ree", tmp_path, place, leash)
    finally:
        runtime.stop()
    assert isinstance(got, Tried)
    assert leash.said == ["waits for a check slot (1 on this host)"]


def test_a_workers_guards_bear_what_its_own_lease_leaves(tmp_path: Path) -> None:
    (tmp_path / "loopy.toml").write_text("lease_s = 5\n")
    before = silence.silence_s()
    runtime = Runtime.start(furnished(tmp_path), ("loop",))
    try:
        assert Command(argv=("true",), cwd=tmp_path, env={}, wall_s=1).silence_s == acting_s(5) < 5
    finally:
        runtime.stop()
        silence.set_silence(before)


STOPPED_AT_BIRTH = """
import os, signal, sys
from workers.__main__ import main
from workers.runtime import Runtime

start = Runtime.start.__func__

def stopped(cls, *words):
    os.kill(os.getpid(), signal.SIGTERM)
    return start(cls, *words)

Runtime.start = classmethod(stopped)
sys.exit(main())
"""


def test_a_worker_that_is_told_to_stop_while_it_starts_ends_in_order_and_consumes_nothing(tmp_path: Path) -> None:
    made = furnished(tmp_path)
    ended, said = started(("-P", "-c", STOPPED_AT_BIRTH, "--no-beat"), tmp_path)
    assert ended == 0, said
    assert "stopping: nothing runs" in said
    assert waiting(tmp_path) == [("loop", None)]
    with services(made.env).graph.read() as tx:
        assert list(tx.fleet.workers()) == []
    assert list((tmp_path / "alive").iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_is_told_to_leave_leaves_though_the_graph_is_locked(tmp_path: Path) -> None:
    furnished(tmp_path)
    env = {**os.environ, "LOOPY_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    worker = background.start((sys.executable, *OURS, "--ephemeral"), env, tmp_path / "worker.log")
    wait_until(lambda: b"ready;" in (tmp_path / "worker.log").read_bytes(), "the worker is ready", 30)
    with (tmp_path / "loopy.db.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert worker.process.stdin is not None
        worker.process.stdin.close()
        assert worker.process.wait(timeout=25) == 1
