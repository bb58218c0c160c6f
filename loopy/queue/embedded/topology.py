"""Exchanges, queues, bindings and consumers: what AMQP calls the topology, as rows that all processes share.

Every change is preceded by a look, because clients declare the same things over and over and a look takes no lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from loopy.queue.embedded.file import PATIENCE_S, BrokerFile

DROP_QUEUE = (
    "DELETE FROM queue WHERE name=?",
    "DELETE FROM binding WHERE queue=?",
    "DELETE FROM consumer WHERE queue=?",
    "DELETE FROM message WHERE queue=?",
)


@dataclass(frozen=True)
class QueueSpec:
    """What a client declared about a queue; times in seconds, None for never."""

    name: str
    expires_s: float | None = None
    ttl_s: float | None = None
    auto_delete: bool = False
    connection: str | None = None  # an exclusive queue goes with the connection that declared it …
    owner: str | None = None  # … or with its process


def declare_exchange(file: BrokerFile, name: str, kind: str) -> None:
    """Record the exchange's type; a later declaration wins."""
    if exchange_type(file, name) != kind:
        with file.write() as con:
            con.execute(
                "INSERT INTO exchange VALUES(?,?) ON CONFLICT(name) DO UPDATE SET type=excluded.type", (name, kind)
            )


def exchange_type(file: BrokerFile, name: str) -> str | None:
    """Return the type of a declared exchange."""
    rows = file.read("SELECT type FROM exchange WHERE name=?", (name,))
    return rows[0][0] if rows else None


def delete_exchange(file: BrokerFile, name: str) -> None:
    """Delete the exchange and its bindings, not the queues."""
    with file.write() as con:
        con.execute("DELETE FROM exchange WHERE name=?", (name,))
        con.execute("DELETE FROM binding WHERE exchange=?", (name,))


def declare_queue(file: BrokerFile, spec: QueueSpec, now: float, patience_s: float = PATIENCE_S) -> None:
    """Create the queue, or bring its arguments up to date; declaring counts as use."""
    values = (spec.expires_s, spec.ttl_s, int(spec.auto_delete), spec.connection, spec.owner)
    known = file.read("SELECT expires_s, ttl_s, auto_delete, connection, owner FROM queue WHERE name=?", (spec.name,))
    if known == [values] and spec.expires_s is None:
        return
    with file.write(patience_s) as con:
        con.execute(
            "INSERT INTO queue VALUES(?,?,?,?,?,?,?) ON CONFLICT(name) DO UPDATE SET expires_s=excluded.expires_s,"
            " ttl_s=excluded.ttl_s, auto_delete=excluded.auto_delete, connection=excluded.connection,"
            " owner=excluded.owner, used_at=excluded.used_at",
            (spec.name, *values, now),
        )


def has_queue(file: BrokerFile, name: str) -> bool:
    """Return whether the queue is declared."""
    return bool(file.read("SELECT 1 FROM queue WHERE name=?", (name,)))


def delete_queue(file: BrokerFile, name: str) -> None:
    """Delete the queue with its bindings and messages."""
    with file.write() as con:
        drop_queues(con, [name])


def delete_connection_queues(file: BrokerFile, connection: str) -> None:
    """Delete the exclusive queues of a connection that ends."""
    names = [name for (name,) in file.read("SELECT name FROM queue WHERE connection=?", (connection,))]
    if names:
        with file.write() as con:
            drop_queues(con, names)


def drop_queues(con: sqlite3.Connection, names: Iterable[str]) -> None:
    """Delete the queues inside a transaction of the caller."""
    for name in names:
        for statement in DROP_QUEUE:
            con.execute(statement, (name,))


def bind(file: BrokerFile, exchange: str, queue: str, routing_key: str, pattern: str | None) -> None:
    """Bind the queue; binding twice is binding once."""
    key = (exchange, queue, routing_key)
    if not file.read("SELECT 1 FROM binding WHERE exchange=? AND queue=? AND routing_key=?", key):
        with file.write() as con:
            con.execute("INSERT OR IGNORE INTO binding VALUES(?,?,?,?)", (*key, pattern))


def unbind(file: BrokerFile, exchange: str, queue: str, routing_key: str) -> None:
    """Take the binding away, if it is there."""
    with file.write() as con:
        con.execute(
            "DELETE FROM binding WHERE exchange=? AND queue=? AND routing_key=?", (exchange, queue, routing_key)
        )


def bindings(file: BrokerFile, exchange: str) -> list[tuple[str, str, str]]:
    """Return (routing key, pattern, queue) of every binding: the table kombu's exchange types look queues up in."""
    return file.read("SELECT routing_key, pattern, queue FROM binding WHERE exchange=?", (exchange,))


def add_consumer(file: BrokerFile, tag: str, queue: str, owner: str) -> None:
    """Record that a living process consumes the queue, so that it neither expires nor is deleted."""
    with file.write() as con:
        con.execute("INSERT OR REPLACE INTO consumer VALUES(?,?,?)", (tag, queue, owner))


def remove_consumer(file: BrokerFile, tag: str, now: float) -> None:
    """Forget the consumer; an auto-delete queue goes with its last one."""
    with file.write() as con:
        queues = [row[0] for row in con.execute("SELECT queue FROM consumer WHERE tag=?", (tag,))]
        con.execute("DELETE FROM consumer WHERE tag=?", (tag,))
        drop_unused(con, queues, now)


def drop_unused(con: sqlite3.Connection, queues: Iterable[str], now: float) -> None:
    """Delete those of the queues that lived for their consumers and have none left; mark the others as just used."""
    for name in queues:
        if con.execute("SELECT 1 FROM consumer WHERE queue=? LIMIT 1", (name,)).fetchone():
            continue
        if con.execute("SELECT auto_delete FROM queue WHERE name=?", (name,)).fetchone() == (1,):
            drop_queues(con, [name])
        else:
            con.execute("UPDATE queue SET used_at=? WHERE name=?", (now, name))


def consumer_count(file: BrokerFile, queue: str) -> int:
    """Return how many consumers the queue has, in all processes."""
    return int(file.read("SELECT count(*) FROM consumer WHERE queue=?", (queue,))[0][0])
