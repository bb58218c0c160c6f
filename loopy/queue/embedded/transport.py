"""kombu's transport over a broker file, and the loop that waits for messages.

The loop sleeps on an event that this process's own publishes, acknowledgements and requeues set, and between two naps
looks whether any process has committed anything.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from contextlib import suppress
from typing import Any, Self

from kombu import Connection
from kombu.transport import virtual
from typing_extensions import override

from loopy.queue.embedded import messages, topology
from loopy.queue.embedded.channel import Channel
from loopy.queue.embedded.file import PATIENCE_S, BrokerFile
from loopy.queue.embedded.pace import Pace
from loopy.queue.embedded.registry import borrow, give_back, owner_of
from loopy.queue.embedded.upkeep import Upkeep
from loopy.queue.embedded.url import path_of


class Transport(virtual.Transport):
    """One kombu connection to a broker file.

    Transport option: `patience_s`, how long a publish may wait for the file before it fails (default 10).
    """

    Channel = Channel
    can_parse_url = True
    driver_type = "loopy-sqlite"  # never 'sql': Celery turns its events off for that
    driver_name = "sqlite3"
    connection_errors = (*virtual.Transport.connection_errors, sqlite3.OperationalError)
    implements = virtual.Transport.implements.extend(
        asynchronous=False, exchange_type=frozenset({"direct", "topic", "fanout"})
    )

    def __init__(self, client: Connection, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.id = uuid.uuid4().hex
        self.path = path_of(client.hostname or "")
        self.patience_s = float((client.transport_options or {}).get("patience_s", PATIENCE_S))
        self.woken = threading.Event()
        self._file: BrokerFile | None = None
        self._pace = Pace()
        self._seen = -1  # the version at which nothing was there
        self._turn = 0

    @property
    def file(self) -> BrokerFile:
        """The open broker file; sqlite3.OperationalError when not connected."""
        if self._file is None:
            raise sqlite3.OperationalError("not connected to the broker file")
        return self._file

    @override
    def establish_connection(self) -> Self:
        """Open the file, or share it with the other connections of this process."""
        self._file = borrow(self.path, self.patience_s)
        self._file.watch(self.woken)
        self._upkeep = Upkeep(self._file)
        try:
            self._upkeep.due(time.monotonic(), time.time())
            super().establish_connection()
        except BaseException:
            self._let_go()
            raise
        return self

    @override
    def close_connection(self, connection: Any) -> None:
        """Close the channels, which puts their messages back, and drop the queues that were exclusive to them."""
        try:
            super().close_connection(connection)
            if self._file is not None and not self._file.gone:
                with suppress(sqlite3.OperationalError):
                    topology.delete_connection_queues(self._file, self.id)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.unwatch(self.woken)
            give_back(file)

    @override
    def drain_events(self, connection: Any, timeout: float | None = None) -> None:  # type: ignore[override] # as kombu
        """Deliver one message to its consumer; TimeoutError when none came within `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._deliver_next():
            now = time.monotonic()
            nap_s = self._pace.nap_s(now)
            if deadline is not None:
                nap_s = min(nap_s, deadline - now)
                if nap_s <= 0:
                    raise TimeoutError("no message")
            self.woken.wait(nap_s)

    def _deliver_next(self) -> bool:
        file, now = self.file, time.time()
        self._upkeep.due(time.monotonic(), now)
        woken = self.woken.is_set()
        if woken:  # clear first, look afterwards: what happens from here on wakes us again
            self.woken.clear()
        queues = self._queues_with_credit()
        version = file.version()
        if not queues or (version == self._seen and not woken):
            return False
        delivery = messages.take(file, owner_of(file, now), queues, now)
        if delivery is None:
            self._seen = version
            return False
        self._pace.busy(time.monotonic())
        self._deliver(delivery.payload, delivery.queue)
        return True

    def _queues_with_credit(self) -> dict[str, bool]:
        queues: list[tuple[str, bool]] = []
        for channel in list(self.channels or ()):
            if isinstance(channel, Channel) and channel._active_queues and channel.qos.can_consume():  # noqa: SLF001
                queues += [(queue, queue in channel.no_ack_queues) for queue in channel._active_queues]  # noqa: SLF001
        self._turn += 1  # the next look begins at the next queue
        start = self._turn % len(queues) if queues else 0
        return dict(queues[start:] + queues[:start])

    @override
    def as_uri(self, uri: str, include_password: bool = False, mask: str = "**") -> str:
        """Return the address as it is: it holds no secret."""
        return uri

    @override
    def driver_version(self) -> str:
        """Return SQLite's version."""
        return sqlite3.sqlite_version

    @property
    @override
    def default_connection_params(self) -> dict[str, Any]:
        """Nothing to assume: the address says it all."""
        return {}
