"""Queues and messages that come to their end by time, by their last consumer, or with their connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from kombu import Connection, Consumer, Queue
from kombu.exceptions import ChannelError

from tests.queue.channels import consumers, declared, drain, publish, size
from tests.queue.support import wait_until


def test_a_message_past_its_expiration_is_not_delivered(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    publish(connection, "old", routing_key="loop", expiration=0.05)
    publish(connection, "new", routing_key="loop", expiration=60)
    wait_until(lambda: size(connection, queue) == 1)
    assert drain(connection, queue) == ["new"]


def test_a_queues_message_ttl_rules_when_it_is_shorter(connection: Connection) -> None:
    queue = Queue("celeryev.x", message_ttl=0.05)
    declared(connection, queue)
    publish(connection, "event", routing_key="celeryev.x", expiration=60)
    assert size(connection, queue) == 1
    wait_until(lambda: size(connection, queue) == 0)


def exists(connection: Connection, name: str) -> bool:
    try:
        size(connection, Queue(name))
    except ChannelError:
        return False
    return True


def idle(connection: Connection, holds: Callable[[], bool], timeout_s: float = 6.0) -> None:
    """Let the connection wait for events, as every worker does, until something holds."""

    def held() -> bool:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.05)
        return holds()

    wait_until(held, timeout_s)


@pytest.mark.slow
def test_an_abandoned_queue_expires_with_its_messages_and_a_consumed_one_does_not(connection: Connection) -> None:
    abandoned, used = Queue("celeryev.a", expires=0.2), Queue("celeryev.b", expires=0.2)
    declared(connection, abandoned, used)
    publish(connection, "event", routing_key="celeryev.a")
    with connection.channel() as channel, Consumer(channel, [used], on_message=lambda _: None):
        idle(connection, lambda: not exists(connection, "celeryev.a"))
        assert exists(connection, "celeryev.b")
    idle(connection, lambda: not exists(connection, "celeryev.b"))
    declared(connection, Queue("celeryev.a"))
    assert size(connection, abandoned) == 0


def test_an_auto_delete_queue_goes_with_its_last_consumer(connection: Connection) -> None:
    queue = Queue("reply", auto_delete=True)
    declared(connection, queue)
    with connection.channel() as one, connection.channel() as two, Consumer(one, [queue], on_message=lambda _: None):
        with Consumer(two, [queue], on_message=lambda _: None):
            pass
        assert exists(connection, "reply")
    assert not exists(connection, "reply")


def test_an_exclusive_queue_goes_with_its_connection(url: str, connection: Connection) -> None:
    with Connection(url) as other:
        declared(other, Queue("mine", exclusive=True))
        assert exists(connection, "mine")
    assert not exists(connection, "mine")


def test_a_declaration_tells_how_many_consumers_there_are(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    with connection.channel() as channel, Consumer(channel, [queue], on_message=lambda _: None):
        assert consumers(connection, queue) == 1
    assert consumers(connection, queue) == 0
