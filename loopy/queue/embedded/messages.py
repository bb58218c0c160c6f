"""Messages: put, take, settle, count.

A message is ready (no owner) or out with an owner. Each delivery has a number of its own, and its tag names message
and number, so an acknowledgement that comes after the message was given to somebody else matches nothing.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from loopy.queue.embedded.file import PATIENCE_S, BrokerFile, Settlement

log = logging.getLogger(__name__)

ALIVE = "(expires_at IS NULL OR expires_at > ?)"
NEXT = f"SELECT id, delivery, payload FROM message WHERE queue=? AND owner IS NULL AND {ALIVE} ORDER BY priority DESC, id LIMIT 1"  # noqa: S608 - constants
PUT = (
    "INSERT INTO message(queue, priority, payload, expires_at)"
    " VALUES(?1, ?2, ?3, ?4 + min(coalesce(?5, (SELECT ttl_s FROM queue WHERE name=?1)),"
    " coalesce((SELECT ttl_s FROM queue WHERE name=?1), ?5)))"
)


class Delivery(NamedTuple):
    """One message on its way to a consumer."""

    queue: str
    payload: dict[str, Any]


def put(
    file: BrokerFile,
    queues: Collection[str],
    payload: Mapping[str, Any],
    *,
    now: float,
    priority: int = 0,
    ttl_s: float | None = None,
    patience_s: float = PATIENCE_S,
) -> None:
    """Put one copy into each queue, all or none; the shorter of the message's and the queue's time to live rules.

    Higher priorities are delivered first. Raises rather than lose the message.
    """
    text = json.dumps(payload, separators=(",", ":"))
    with file.write(patience_s) as con:
        con.executemany(PUT, [(queue, priority, text, now, ttl_s) for queue in queues])
    file.wake()


def take(file: BrokerFile, owner: str, queues: Mapping[str, bool], now: float) -> Delivery | None:
    """Give the owner the next message of the first of these queues that has one; None when all are empty.

    `queues` maps a name to "no acknowledgement wanted": such a message is deleted as it is taken. The caller turns the
    order, so that no queue starves. sqlite3.OperationalError when the owner was declared dead meanwhile.
    """
    if not _any_ready(file, list(queues), now):
        return None
    with file.write() as con:
        if not con.execute("SELECT 1 FROM owner WHERE id=?", (owner,)).fetchone():
            file.gone = "this process was declared dead and its messages were given to others"
            raise sqlite3.OperationalError(file.gone)
        for queue, no_ack in queues.items():
            row = con.execute(NEXT, (queue, now)).fetchone()
            if row is not None:
                return _deliver(con, owner, queue, row, no_ack=no_ack)
    return None


def _any_ready(file: BrokerFile, queues: Sequence[str], now: float) -> bool:
    marks = ",".join("?" * len(queues))
    sql = f"SELECT 1 FROM message WHERE owner IS NULL AND queue IN ({marks}) AND {ALIVE} LIMIT 1"  # noqa: S608 - marks
    return bool(file.read(sql, (*queues, now)))


def _deliver(con: sqlite3.Connection, owner: str, queue: str, row: tuple[int, int, str], *, no_ack: bool) -> Delivery:
    ident, deliveries, text = row
    if no_ack:
        con.execute("DELETE FROM message WHERE id=?", (ident,))
    else:
        con.execute("UPDATE message SET owner=?, delivery=delivery+1 WHERE id=?", (owner, ident))
    payload = json.loads(text)
    payload["properties"]["delivery_tag"] = f"{ident}.{deliveries + 1}"
    payload["properties"].setdefault("delivery_info", {})["redelivered"] = deliveries > 0
    return Delivery(queue, payload)


def settle(file: BrokerFile, settlements: Iterable[Settlement]) -> None:
    """Delete (False) or put back (True) what was delivered; when the disk refuses, it is owed and tried again later."""
    due = list(settlements)
    if not due or file.gone:
        return  # the file that knew these deliveries is not there any more
    try:
        with file.write() as con:
            for tag, back in due:
                _settle(con, tag, back=back)
    except sqlite3.OperationalError as error:
        file.owed.extend(due)
        log.warning("%s: %d acknowledgements will be tried again: %s", file.path, len(due), error)
        return
    if any(back for _, back in due):
        file.wake()


def settle_owed(file: BrokerFile) -> None:
    """Try again what the disk refused before."""
    due = [file.owed.popleft() for _ in range(len(file.owed))]
    settle(file, due)


def _settle(con: sqlite3.Connection, tag: str, *, back: bool) -> None:
    ident, _, delivery = tag.partition(".")
    statement = "UPDATE message SET owner=NULL" if back else "DELETE FROM message"
    con.execute(f"{statement} WHERE id=? AND delivery=? AND owner IS NOT NULL", (int(ident), int(delivery)))


def size(file: BrokerFile, queue: str, now: float) -> int:
    """Return how many messages of the queue are ready."""
    sql = f"SELECT count(*) FROM message WHERE queue=? AND owner IS NULL AND {ALIVE}"  # noqa: S608 - constants
    return int(file.read(sql, (queue, now))[0][0])


def purge(file: BrokerFile, queue: str) -> int:
    """Delete the ready messages of the queue and return their number."""
    with file.write() as con:
        return con.execute("DELETE FROM message WHERE queue=? AND owner IS NULL", (queue,)).rowcount


def depths(file: BrokerFile) -> dict[str, tuple[int, int]]:
    """Return (ready, out with a consumer) for each queue that is declared or holds messages."""
    rows = file.read(
        "SELECT name, sum(ready), sum(out) FROM (SELECT name, 0 AS ready, 0 AS out FROM queue UNION ALL"
        " SELECT queue, owner IS NULL, owner IS NOT NULL FROM message) GROUP BY name ORDER BY name"
    )
    return {name: (ready, out) for name, ready, out in rows}
