"""kombu's in-memory transport with the named differences taken out, so that ours must answer exactly as it does.

Everything that is not overridden here is kombu's own: routing, credit, acknowledgement, the loop that drains. Each
override belongs to one entry of `DIFFERENCES`, and only what is named in `Channel.adopted` is in force: a test takes
each name out and sees ours and the reference disagree, so the list holds nothing that is not so.
"""

from __future__ import annotations

import bisect
import copy
import itertools
from queue import Queue
from typing import Any, ClassVar

from kombu.transport import memory, virtual

DIFFERENCES = {
    "comes back": "kombu's forgets what a closed channel had not settled (`do_restore = False`): a process that held it"
    " in memory is gone with it. Ours outlives processes, so it comes back; as in AMQP.",
    "place": "kombu's puts back at the end, where a message that is handed back again and again never gets its turn."
    " Ours keeps the message's old place; as in AMQP.",
    "own queue": "kombu's puts back through the exchange, so that handing back one copy of a broadcast gives everybody"
    " another. Ours puts it into the queue that it was taken from; as in AMQP.",
    "redelivered": "kombu's writes `redelivered` where nobody reads it. Ours says it in `delivery_info`; as in AMQP.",
    "copies": "kombu's gives all queues of an exchange the same object with one delivery tag, so that settling one copy"
    " settles them all. Ours are messages of their own; as in AMQP.",
    "priority": "kombu's has none. Ours delivers 9 before 0, as RabbitMQ with `x-max-priority`; Loopy asks for it.",
    "declared": "kombu's knows a queue that a message was sent to. Ours keeps such a message, since the doorbell does not"
    " declare, but says NOT_FOUND to who asks for the queue, as AMQP, which drops the message.",
    "deleted": "kombu's deletes a queue only if something is bound to it, goes on routing to it, and revives it with what"
    " was out at a consumer. Ours deletes it with its bindings and all its messages; as in AMQP.",
    "consumers": "kombu's always says 0 consumers. Ours counts those of all processes; as in AMQP.",
}


class Places(Queue[dict[str, Any]]):
    """A queue whose messages stand in the order of their places."""

    def _init(self, maxsize: int) -> None:
        self.queue: list[dict[str, Any]] = []  # can be kept in order

    def _put(self, item: dict[str, Any]) -> None:
        bisect.insort(self.queue, item, key=lambda message: message["place"])

    def _get(self) -> dict[str, Any]:
        return self.queue.pop(0)


class Placed(virtual.Message):
    """A message that knows its place, in which queue, and in which life of that queue."""

    def serializable(self) -> dict[str, Any]:
        """Return it as it was, place and all."""
        raw: dict[str, Any] = self._raw  # type: ignore[attr-defined]  # not in the stubs
        return {**super().serializable(), **{key: raw[key] for key in ("place", "queue", "life")}}


class Channel(memory.Channel):
    """kombu's channel, and one `if` for each difference."""

    Message = Placed
    queues = {}  # noqa: RUF012  # as kombu's, all channels' own
    declared: ClassVar[set[str]] = set()
    counted: ClassVar[dict[str, int]] = {}
    deleted: ClassVar[dict[str, int]] = {}
    adopted: ClassVar[frozenset[str]] = frozenset(DIFFERENCES)
    numbers: ClassVar[itertools.count[int]] = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.do_restore = "comes back" in self.adopted

    # messages

    def _queue_for(self, queue: str) -> Any:
        return self.queues.setdefault(queue, Places())

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        if "copies" in self.adopted:
            message = copy.deepcopy(message)
            message["properties"]["delivery_tag"] = self._next_delivery_tag()
        urgent = -self._get_message_priority(message) if "priority" in self.adopted else 0
        here = {"place": (urgent, next(self.numbers)), "queue": queue, "life": self.deleted.get(queue, 0)}
        self._queue_for(queue).put({**message, **here})

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str | None = None, **_: Any) -> None:
        for queue in self._lookup(exchange, routing_key or ""):
            self._put(queue, message)

    def _restore(self, message: virtual.Message) -> None:
        again = copy.deepcopy(message.serializable())
        if "redelivered" in self.adopted:
            again["properties"]["delivery_info"]["redelivered"] = True
        info = message.delivery_info
        place, home = again["place"], again["queue"]
        if "deleted" in self.adopted and again["life"] != self.deleted.get(home, 0):
            return
        for queue in {home} if "own queue" in self.adopted else self._lookup(info["exchange"], info["routing_key"]):
            kept = place if "place" in self.adopted else (place[0], next(self.numbers))
            self._queue_for(queue).put({**again, "place": kept, "queue": queue})

    # queues

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.declared.add(queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return queue in self.declared or ("declared" not in self.adopted and queue in self.queues)

    def _delete(self, queue: str, *_: Any, **__: Any) -> None:
        super()._delete(queue)
        self.declared.discard(queue)
        self.deleted[queue] = self.deleted.get(queue, 0) + 1

    def queue_declare(self, queue: str | None = None, passive: bool = False, **kwargs: Any) -> Any:
        """Say how many consumers there are."""
        told = super().queue_declare(queue, passive, **kwargs)
        return told._replace(consumer_count=self.counted.get(told.queue, 0)) if "consumers" in self.adopted else told

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **kwargs: Any) -> None:
        """Delete it for good."""
        super().queue_delete(queue, if_unused, if_empty, **kwargs)
        if "deleted" in self.adopted and not (if_empty and self._size(queue)):
            self._delete(queue)
            for exchange in (self.state.exchanges or {}).values():
                exchange["table"][:] = [binding for binding in exchange["table"] if binding[2] != queue]

    # consumers

    def basic_consume(self, queue: str, *args: Any, **kwargs: Any) -> str:
        """Count the consumer."""
        self.counted[queue] = self.counted.get(queue, 0) + 1
        return super().basic_consume(queue, *args, **kwargs)

    def basic_cancel(self, consumer_tag: str) -> None:
        """Count it no more."""
        queue = self._tag_to_queue.get(consumer_tag)
        if queue is not None and consumer_tag in self._consumers:
            self.counted[queue] -= 1
        super().basic_cancel(consumer_tag)


class Transport(memory.Transport):
    """The reference; all its connections share one broker until `clear`."""

    Channel = Channel
    global_state = virtual.BrokerState()


def clear(adopted: frozenset[str] = frozenset(DIFFERENCES)) -> None:
    """Begin with an empty broker that has taken on these differences."""
    Transport.global_state.clear()
    for kept in (Channel.queues, Channel.declared, Channel.counted, Channel.deleted):
        kept.clear()
    Channel.adopted = adopted
