"""The broker file: damage is named, busy files are waited for, a replaced file is noticed, the log stays short."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from loopy.domain.errors import BrokerError
from loopy.queue.embedded import messages, upkeep
from loopy.queue.embedded.file import BrokerFile
from loopy.queue.embedded.registry import borrow, give_back, owner_of
from loopy.queue.embedded.url import SCHEME, embedded_url, path_of, register
from loopy.queue.embedded.writerlock import WriterLock
from tests.queue.support import open_channel


@pytest.fixture
def file(path: Path) -> Iterator[BrokerFile]:
    borrowed = borrow(path)
    yield borrowed
    give_back(borrowed)


def put(file: BrokerFile, body: str, patience_s: float = 10.0) -> None:
    messages.put(file, ["loop"], {"properties": {}, "body": body}, now=1.0, patience_s=patience_s)


def test_the_address_of_any_path_names_that_path() -> None:
    register()
    for path in (Path("/a/b.db"), Path("/a b;c/%20/ä#?.db")):
        assert path_of(embedded_url(path)) == path
        with Connection(embedded_url(path)) as connection:
            assert connection.as_uri() == embedded_url(path)


@pytest.mark.parametrize("url", [f"{SCHEME}://host/x", f"{SCHEME}://", "sqlite:///x"])
def test_another_address_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(BrokerError, match="absolute/path"):
        path_of(url)


def test_a_file_that_is_no_database_is_refused_with_what_to_do(url: str, path: Path) -> None:
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    with pytest.raises(BrokerError, match="delete it"), Connection(url) as connection:
        connection.connect()


def test_somebody_elses_database_is_left_alone(url: str, path: Path) -> None:
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE precious(x)")
    before = path.read_bytes()
    with pytest.raises(BrokerError, match="path of its own"), Connection(url) as connection:
        connection.connect()
    assert path.read_bytes() == before


def test_a_file_of_another_format_is_refused(url: str, path: Path) -> None:
    with sqlite3.connect(path) as con:
        con.execute("PRAGMA user_version=99")
    with pytest.raises(BrokerError, match="format 99"), Connection(url) as connection:
        connection.connect()


def test_damage_found_later_is_a_broker_error_too(file: BrokerFile, path: Path) -> None:
    for n in range(500):
        put(file, "x" * 500 + str(n))
    file.truncate_log()
    size = path.stat().st_size
    with path.open("r+b") as raw:
        raw.seek(8192)
        raw.write(os.urandom(size - 8192))
    with pytest.raises(BrokerError, match="delete it"):
        file.read("SELECT queue, payload FROM message ORDER BY queue, payload")


def test_a_path_that_cannot_be_made_is_a_broker_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerError, match="permissions"):
        borrow(tmp_path / "file" / "broker.db")


def test_a_busy_file_is_an_error_after_the_callers_patience_and_loses_nothing(file: BrokerFile, path: Path) -> None:
    neighbour = WriterLock(path.with_suffix(".lock"))
    with neighbour.held(1.0), pytest.raises(sqlite3.OperationalError, match="writing"):
        put(file, "impatient", patience_s=0.05)
    assert messages.size(file, "loop", 1.0) == 0
    release = threading.Event()

    def hold() -> None:
        with neighbour.held(1.0):
            release.wait(0.2)

    holder = threading.Thread(target=hold)
    holder.start()
    put(file, "patient")
    holder.join()
    neighbour.close()
    assert messages.size(file, "loop", 1.0) == 1


def test_an_ack_that_the_disk_refuses_is_owed_and_paid_later(file: BrokerFile) -> None:
    put(file, "work")
    taken = messages.take(file, owner_of(file, 1.0), {"loop": False}, 1.0)
    assert taken is not None
    tag = taken.payload["properties"]["delivery_tag"]
    with file.lock.held(1.0):
        file._writer.execute("PRAGMA query_only=ON")
    messages.settle(file, [(tag, False)])
    assert messages.depths(file) == {"loop": (0, 1)}
    with file.lock.held(1.0):
        file._writer.execute("PRAGMA query_only=OFF")
    messages.settle_owed(file)
    assert messages.depths(file) == {}


def test_every_commit_changes_the_version_ones_own_included(file: BrokerFile) -> None:
    before = file.version()
    assert file.version() == before
    put(file, "work")
    assert file.version() != before


def test_deleting_the_file_under_a_running_process_only_costs_a_reconnect(url: str, path: Path) -> None:
    with Connection(url) as connection:
        connection.connect()
        path.unlink()
        with pytest.raises(sqlite3.OperationalError, match="replaced"), open_channel(connection) as channel:
            channel.queue_declare("loop")
        connection.collect()
        with open_channel(connection) as channel:
            assert channel.queue_declare("loop").message_count == 0
        assert path.exists()


def test_a_failed_transaction_leaves_nothing(file: BrokerFile) -> None:
    half_done = "INSERT INTO message(queue, priority, payload) VALUES('loop', 0, '{}'); SELECT * FROM nowhere"
    with pytest.raises(sqlite3.OperationalError, match="nowhere"), file.write() as con:
        [con.execute(statement) for statement in half_done.split(";")]
    assert messages.size(file, "loop", 1.0) == 0


def test_the_log_is_cut_off_when_it_has_grown(file: BrokerFile) -> None:
    while file.log_bytes <= upkeep.PASSIVE_ABOVE:
        put(file, "x" * 50_000)
    upkeep.checkpoint(file)
    assert file.log_bytes == 0
    assert messages.size(file, "loop", 1.0) > 50


def test_only_one_process_checkpoints_at_a_time(file: BrokerFile, path: Path) -> None:
    while file.log_bytes <= upkeep.PASSIVE_ABOVE:
        put(file, "x" * 50_000)
    keeper = WriterLock(path.with_suffix(".keeper"))
    with keeper.held(1.0):
        upkeep.checkpoint(file)
        assert file.log_bytes > upkeep.PASSIVE_ABOVE
    keeper.close()


def test_a_neighbour_that_leaves_does_not_take_the_log_with_it(file: BrokerFile, path: Path) -> None:
    put(file, "work")
    look = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM message').fetchone())"
    told = subprocess.run([sys.executable, "-c", look, str(path)], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "(1,)"
    assert file.log_bytes > 0


def test_connections_of_one_process_share_the_file_and_the_last_one_closes_it(path: Path) -> None:
    first, second = borrow(path), borrow(path)
    assert first is second
    give_back(first)
    put(second, "still open")
    give_back(second)
    with pytest.raises(sqlite3.OperationalError, match="closed"):
        put(second, "too late")


def test_a_forked_child_cannot_use_its_parents_file_and_may_open_its_own(file: BrokerFile, path: Path) -> None:
    put(file, "work")
    owner_of(file, 1.0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            try:
                file.version()
            except sqlite3.OperationalError:
                own = borrow(path)
                put(own, "from the child")
                status = 0 if own is not file else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert messages.size(file, "loop", 1.0) == 2
