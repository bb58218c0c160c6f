"""kombu's channel over a broker file: what AMQP clients say, turned into rows."""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, cast

from amqp.protocol import queue_declare_ok_t
from kombu.exceptions import ChannelError
from kombu.transport import virtual
from kombu.transport.virtual.exchange import ExchangeType
from typing_extensions import override

from loopy.queue.embedded import messages, topology
from loopy.queue.embedded.file import BrokerFile
from loopy.queue.embedded.registry import owner_of

if TYPE_CHECKING:
    from loopy.queue.embedded.transport import Transport

log = logging.getLogger(__name__)

TEXT = "text"  # bytes that were text, stored as text


class QoS(virtual.QoS):
    """A channel's credit; acknowledgements may come from any thread."""

    channel: Channel

    @override
    def ack(self, delivery_tag: str) -> None:
        """Delete the message and return its credit."""
        self._settle(delivery_tag, back=False)

    @override
    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Delete the message, or put it back in its old place."""
        self._settle(delivery_tag, back=requeue)

    @override
    def restore_unacked(self) -> None:
        """Put back everything that this channel has not settled."""
        delivered: MutableMapping[str, Any] = self._delivered or {}
        settled = self._dirty or set()
        tags = [tag for tag in delivered if tag not in settled]
        delivered.clear()
        messages.settle(self.channel.file, [(tag, True) for tag in tags])

    def _settle(self, tag: str, *, back: bool) -> None:
        messages.settle(self.channel.file, [(tag, back)])
        super().ack(tag)
        self.channel.wake()  # credit is back: do not sleep the nap out


class Channel(virtual.Channel):
    """One conversation with the broker file; the topology is shared by all processes through it."""

    QoS = QoS
    supports_fanout = True
    connection: Transport

    def __init__(self, connection: Transport, **kwargs: Any) -> None:
        self.file: BrokerFile = connection.file
        self.wake = connection.woken.set
        self.no_ack_queues: set[str] = set()
        self._connection_id, self._patience_s = connection.id, connection.patience_s
        self._id = uuid.uuid4().hex
        self._kinds: dict[str, str] = {}
        super().__init__(connection, **kwargs)

    # exchanges and queues

    @override
    def exchange_declare(
        self,
        exchange: str | None = None,
        type: str = "direct",
        durable: bool = False,
        auto_delete: bool = False,
        arguments: dict[str, Any] | None = None,
        nowait: bool = False,
        passive: bool = False,
    ) -> None:
        """Declare the exchange for all processes; only its type matters here."""
        kind = type or "direct"
        name = exchange or f"amq.{kind}"
        if passive and topology.exchange_type(self.file, name) is None:
            raise ChannelError(f"NOT_FOUND - no exchange {name!r}", (50, 10), "Channel.exchange_declare", 404)
        if kind not in self.exchange_types:
            message = f"NOT_IMPLEMENTED - exchange type {kind!r}"
            raise ChannelError(message, (40, 10), "Channel.exchange_declare", 540)
        if not passive:
            topology.declare_exchange(self.file, name, kind)
            self._kinds[name] = kind

    @override
    def exchange_delete(self, exchange: str, if_unused: bool = False, nowait: bool = False) -> None:
        """Delete the exchange and its bindings; queues stay."""
        self._kinds.pop(exchange, None)
        topology.delete_exchange(self.file, exchange)

    @override
    def typeof(self, exchange: str, default: str = "direct") -> ExchangeType:
        """Return the exchange's type, whichever process declared it."""
        kind = self._kinds.get(exchange) or topology.exchange_type(self.file, exchange)
        if kind is not None:
            self._kinds[exchange] = kind
        # kombu replaces the classes by instances in its constructor; its stubs know the classes only
        return cast("ExchangeType", self.exchange_types[kind or default])

    @override
    def prepare_queue_arguments(self, arguments: dict[str, Any] | None, **kwargs: Any) -> dict[str, Any] | None:
        """Return AMQP's names and milliseconds for kombu's `expires` and `message_ttl`."""
        times = {"x-expires": kwargs.get("expires"), "x-message-ttl": kwargs.get("message_ttl")}
        return {**(arguments or {}), **{name: int(value * 1000) for name, value in times.items() if value is not None}}

    @override
    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> queue_declare_ok_t:
        """Declare the queue; return its name, ready messages and consumers."""
        name = queue or f"amq.gen-{uuid.uuid4()}"
        if not passive:
            self._new_queue(name, **kwargs)
        elif not topology.has_queue(self.file, name):
            raise ChannelError(f"NOT_FOUND - no queue {name!r}", (50, 10), "Channel.queue_declare", 404)
        return queue_declare_ok_t(name, self._size(name), topology.consumer_count(self.file, name))

    @override
    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any) -> int | None:
        """Delete the queue with its messages and bindings."""
        if (if_empty and self._size(queue)) or (if_unused and topology.consumer_count(self.file, queue)):
            return None
        ready = self._size(queue)
        topology.delete_queue(self.file, queue)
        return ready

    @override
    def queue_bind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Bind the queue for all processes."""
        source = exchange or "amq.direct"
        pattern = self.typeof(source).prepare_bind(queue, source, routing_key, arguments)[1]
        topology.bind(self.file, source, queue, routing_key, pattern)

    @override
    def queue_unbind(
        self,
        queue: str,
        exchange: str | None = None,
        routing_key: str = "",
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the binding away."""
        topology.unbind(self.file, exchange or "amq.direct", queue, routing_key)

    @override
    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """Return the bindings of the exchange, those of other processes too."""
        return topology.bindings(self.file, exchange)

    @override
    def list_bindings(self) -> Iterator[tuple[str, str, str]]:  # type: ignore[override] # an iterator will do
        """Return (queue, exchange, routing key) of every binding."""
        return iter(self.file.read("SELECT queue, exchange, routing_key FROM binding"))

    @override
    def _new_queue(self, queue: str, **kwargs: Any) -> None:
        arguments = kwargs.get("arguments") or {}
        now, exclusive = time.time(), bool(kwargs.get("exclusive"))
        spec = topology.QueueSpec(
            queue,
            expires_s=_seconds(arguments.get("x-expires")),
            ttl_s=_seconds(arguments.get("x-message-ttl")),
            auto_delete=bool(kwargs.get("auto_delete")),
            connection=self._connection_id if exclusive else None,
            owner=owner_of(self.file, now) if exclusive else None,
        )
        topology.declare_queue(self.file, spec, now, self._patience_s)

    @override
    def _size(self, queue: str) -> int:
        return messages.size(self.file, queue, time.time())

    @override
    def _purge(self, queue: str) -> int:
        return messages.purge(self.file, queue)

    # messages

    @override
    def basic_publish(self, message: Any, exchange: str, routing_key: str, **kwargs: Any) -> None:
        """Put the message into every queue the exchange names, in one transaction; it is stored when this returns."""
        self._inplace_augment_message(message, exchange, routing_key)
        queues = {queue for queue in (self._lookup(exchange, routing_key) if exchange else [routing_key]) if queue}
        if not queues:
            return  # as AMQP: nobody is bound
        messages.put(
            self.file,
            queues,
            message,
            now=time.time(),
            priority=self._get_message_priority(message),
            ttl_s=_seconds(message["properties"].get("expiration")),
            patience_s=self._patience_s,
        )

    @override
    def encode_body(self, body: Any, encoding: str | None = None) -> tuple[Any, str]:
        """Leave text readable in the file; other bytes become base64."""
        if isinstance(body, str):
            return body, "utf-8"
        try:
            return body.decode(), TEXT
        except UnicodeDecodeError:
            return super().encode_body(body, "base64")

    @override
    def decode_body(self, body: Any, encoding: str | None = None) -> Any:
        """Return the body as it was published."""
        return body.encode() if encoding == TEXT else super().decode_body(body, encoding)

    @override
    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> virtual.Message | None:
        """Return the next message of the queue, if there is one."""
        now = time.time()
        delivery = messages.take(self.file, owner_of(self.file, now), {queue: no_ack}, now)
        if delivery is None:
            return None
        message = self.Message(delivery.payload, channel=self)
        if not no_ack:
            self.qos.append(message, str(message.delivery_tag))
        return message

    @override
    def basic_qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Set the credit."""
        super().basic_qos(prefetch_size, prefetch_count, apply_global)
        self.wake()

    # consumers

    @override
    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[..., Any] | None, consumer_tag: str | None, **kwargs: Any
    ) -> str:
        """Consume from the queue; the row of the consumer keeps the queue alive."""
        tag = consumer_tag or uuid.uuid4().hex
        owner = owner_of(self.file, time.time())
        topology.add_consumer(self.file, f"{self._id}/{tag}", queue, owner)
        (self.no_ack_queues.add if no_ack else self.no_ack_queues.discard)(queue)
        super().basic_consume(queue, no_ack, callback, tag, **kwargs)
        self.wake()
        return tag

    @override
    def basic_cancel(self, consumer_tag: str) -> None:
        """Stop consuming."""
        known = consumer_tag in self._consumers
        super().basic_cancel(consumer_tag)
        if not known or self.file.gone:
            return
        try:
            topology.remove_consumer(self.file, f"{self._id}/{consumer_tag}", time.time())
        except sqlite3.OperationalError as error:  # the row goes with this process's owner row
            log.warning("%s: a consumer could not be signed off: %s", self.file.path, error)


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000
