"""Who is alive, and who gets the messages of the dead."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from kombu import Connection, Consumer, Message, Producer, Queue

from loopy.queue.embedded import messages, upkeep
from loopy.queue.embedded.file import BrokerFile
from loopy.queue.embedded.owners import TEMPORARY, OwnerLock, is_same, lock_of_the_dead
from loopy.queue.embedded.registry import borrow, give_back, owner_of
from tests.queue.support import lines, open_channel, process, wait_until

CONSUMER = "tests/queue/consumer.py"


@pytest.fixture
def file(path: Path) -> Iterator[BrokerFile]:
    borrowed = borrow(path)
    yield borrowed
    give_back(borrowed)


def publish(url: str, count: int, queue: str = "loop") -> None:
    with Connection(url) as connection, connection.channel() as channel:
        Queue(queue)(channel).declare()
        for n in range(count):
            Producer(channel).publish(n, routing_key=queue)


@contextmanager
def collecting(url: str, into: list[Message], queue: str = "loop") -> Iterator[Connection]:
    with (
        Connection(url) as connection,
        connection.channel() as channel,
        Consumer(channel, [Queue(queue)], on_message=into.append),
    ):
        yield connection


def drained(connection: Connection) -> None:
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.02)


def test_the_lock_of_the_living_cannot_be_taken(tmp_path: Path) -> None:
    living = OwnerLock(tmp_path)
    with lock_of_the_dead(tmp_path, living.id) as dead:
        assert not dead
    assert (tmp_path / living.id).exists()
    living.release()


def test_the_lock_of_the_dead_can_be_taken_once_and_its_file_goes(tmp_path: Path) -> None:
    gone = OwnerLock(tmp_path)
    gone.abandon()
    with lock_of_the_dead(tmp_path, gone.id) as first, lock_of_the_dead(tmp_path, gone.id) as second:
        assert (first, second) == (True, False)
        assert (tmp_path / gone.id).exists()  # until the row is closed
    assert not (tmp_path / gone.id).exists()


def test_a_lock_counts_only_while_its_path_names_the_same_file(tmp_path: Path) -> None:
    owner = OwnerLock(tmp_path)
    fd = os.open(tmp_path / owner.id, os.O_RDONLY)
    assert is_same(fd, tmp_path / owner.id)
    (tmp_path / owner.id).unlink()
    assert not is_same(fd, tmp_path / owner.id)
    (tmp_path / owner.id).touch()
    assert not is_same(fd, tmp_path / owner.id)
    os.close(fd)
    owner.release()


def test_files_without_a_row_are_tidied_and_the_livings_are_not(file: BrokerFile) -> None:
    alive = owner_of(file, 1.0)
    unborn, unborn_to_be = OwnerLock(file.owners), f"{TEMPORARY}0"
    stillborn = OwnerLock(file.owners)
    stillborn.abandon()
    (file.owners / unborn_to_be).touch()
    upkeep.tidy(file)
    assert {entry.name for entry in file.owners.iterdir()} == {alive, unborn.id}
    unborn.release()


def test_a_process_that_was_declared_dead_is_told_and_its_message_goes_to_another(file: BrokerFile, path: Path) -> None:
    messages.put(file, ["loop"], {"properties": {}}, now=1.0)
    owner = owner_of(file, 1.0)
    assert messages.take(file, owner, {"loop": False}, 1.0) is not None
    with file.write() as con:
        con.execute("UPDATE message SET owner=NULL WHERE owner=?", (owner,))
        con.execute("DELETE FROM owner WHERE id=?", (owner,))
    with pytest.raises(Exception, match="declared dead"):
        messages.take(file, owner, {"loop": False}, 1.0)
    again = borrow(path)
    assert again is not file
    assert messages.take(again, owner_of(again, 1.0), {"loop": False}, 1.0) is not None
    give_back(again)


@pytest.mark.parametrize("mode", ["hold", pytest.param("fork", marks=pytest.mark.slow)])
def test_a_killed_consumers_messages_reach_a_survivor_in_under_a_second(url: str, tmp_path: Path, mode: str) -> None:
    publish(url, 10)
    out, got = tmp_path / "out", list[Message]()
    with process(CONSUMER, url, "loop", str(out), mode, "10", log=tmp_path / "log") as victim:
        wait_until(lambda: len(lines(out)) >= (12 if mode == "fork" else 11))
        orphan = next((int(line.split()[1]) for line in lines(out) if line.startswith("forked")), 0)
        with collecting(url, got) as connection:
            for _ in range(20):  # the living keep what they have
                drained(connection)
            assert got == []
            victim.send_signal(signal.SIGKILL)

            def all_there() -> bool:
                drained(connection)
                return len(got) == 10

            took_s = wait_until(all_there)
        if orphan:
            os.kill(orphan, signal.SIGKILL)
    assert sorted(message.payload for message in got) == list(range(10))
    assert all(message.delivery_info["redelivered"] for message in got)
    assert took_s < 1.0
    print(f"redelivered after {took_s * 1000:.0f} ms ({mode})")


def test_a_dead_consumers_auto_delete_and_exclusive_queues_go_with_it(file: BrokerFile, path: Path) -> None:
    with file.write() as con:
        con.execute("INSERT INTO owner VALUES('dead', 1, 1.0)")
        con.execute("INSERT INTO queue VALUES('auto', NULL, NULL, 1, NULL, NULL, 1.0)")
        con.execute("INSERT INTO queue VALUES('mine', NULL, NULL, 0, 'c', 'dead', 1.0)")
        con.execute("INSERT INTO queue VALUES('loop', NULL, NULL, 0, NULL, NULL, 1.0)")
        con.executemany("INSERT INTO consumer VALUES(?, ?, 'dead')", [("1", "auto"), ("2", "loop")])
    upkeep.free_the_dead(file, 2.0)
    assert list(messages.depths(file)) == ["loop"]


@pytest.mark.slow
def test_two_consumers_share_the_work_with_none_lost_and_none_doubled(url: str, tmp_path: Path) -> None:
    outs = [tmp_path / "a", tmp_path / "b"]
    with (
        process(CONSUMER, url, "loop", str(outs[0]), "ack", "1", log=tmp_path / "log"),
        process(CONSUMER, url, "loop", str(outs[1]), "ack", "4", log=tmp_path / "log"),
    ):
        wait_until(lambda: all(lines(out) for out in outs))
        publish(url, 1000)
        wait_until(lambda: sum(len(lines(out)) for out in outs) >= 1002, 60)
        with Connection(url) as connection:  # and nothing is still out
            wait_until(lambda: messages.depths(borrow_from(connection))["loop"] == (0, 0))
    got = Counter(line.split()[0] for out in outs for line in lines(out) if line != "ready")
    assert got == Counter(str(n) for n in range(1000))
    assert min(len(lines(out)) for out in outs) > 50


def borrow_from(connection: Connection) -> BrokerFile:
    with open_channel(connection) as channel:
        return channel.file
