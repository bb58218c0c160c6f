"""What the transport's tests do with a channel."""

from __future__ import annotations

from typing import Any

from kombu import Connection, Consumer, Message, Producer, Queue

from tests.queue.support import open_channel


def publish(connection: Connection, body: Any, **how: Any) -> None:
    with connection.channel() as channel:
        Producer(channel).publish(body, **how)


def declared(connection: Connection, *queues: Queue) -> None:
    for queue in queues:
        queue(connection.default_channel).declare()


def drain(connection: Connection, *queues: Queue, ack: bool = True, limit: int = 1000) -> list[Any]:
    """Consume until nothing more comes; a consumer of its own each time."""
    got: list[Any] = []

    def note(body: Any, message: Message) -> None:
        got.append(body)
        if ack:
            message.ack()

    with connection.channel() as channel, Consumer(channel, list(queues), callbacks=[note]):
        while len(got) < limit:
            try:
                connection.drain_events(timeout=0.1)
            except TimeoutError:
                break
    return got


def size(connection: Connection, queue: Queue) -> int:
    with open_channel(connection) as channel:
        return channel.queue_declare(queue.name, passive=True).message_count


def consumers(connection: Connection, queue: Queue) -> int:
    with open_channel(connection) as channel:
        return channel.queue_declare(queue.name, passive=True).consumer_count
