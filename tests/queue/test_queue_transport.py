"""The embedded transport keeps AMQP's promises, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from kombu import Connection, Consumer, Exchange, Message, Queue
from kombu.exceptions import ChannelError

from loopy.queue.embedded.pace import Pace
from tests.queue.channels import declared, drain, publish, size
from tests.queue.support import open_channel


def test_a_message_is_delivered_once_and_gone_after_its_ack(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    publish(connection, {"run": "LP-1.1"}, routing_key="loop")
    assert drain(connection, queue) == [{"run": "LP-1.1"}]
    assert drain(connection, queue) == []


def test_messages_of_one_priority_keep_their_order(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for n in range(20):
        publish(connection, n, routing_key="loop")
    assert drain(connection, queue) == list(range(20))


def test_higher_priorities_come_first(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for priority in (0, 5, 9, 3, 9):
        publish(connection, priority, routing_key="loop", priority=priority)
    assert drain(connection, queue) == [9, 9, 5, 3, 0]


def test_a_flooded_queue_does_not_starve_another(connection: Connection) -> None:
    flooded, quiet = Queue("loop"), Queue("control")
    declared(connection, flooded, quiet)
    for _ in range(50):
        publish(connection, "flood", routing_key="loop", priority=9)
    publish(connection, "recover", routing_key="control")
    assert "recover" in drain(connection, flooded, quiet, limit=4)


def test_direct_exchanges_route_by_the_exact_key(connection: Connection) -> None:
    exchange = Exchange("replies", type="direct")
    a, b = Queue("a", exchange, routing_key="a"), Queue("b", exchange, routing_key="b")
    declared(connection, a, b)
    publish(connection, "for a", exchange=exchange, routing_key="a")
    publish(connection, "for nobody", exchange=exchange, routing_key="c")
    assert drain(connection, b) == []
    assert drain(connection, a) == ["for a"]


def test_topic_exchanges_route_by_pattern(connection: Connection) -> None:
    exchange = Exchange("celeryev", type="topic")
    every, tasks, one = (
        Queue(name, exchange, routing_key=key) for name, key in (("all", "#"), ("tasks", "task.#"), ("one", "*.online"))
    )
    declared(connection, every, tasks, one)
    for key in ("task.sent", "worker.online"):
        publish(connection, key, exchange=exchange, routing_key=key)
    assert drain(connection, every) == ["task.sent", "worker.online"]
    assert drain(connection, tasks) == ["task.sent"]
    assert drain(connection, one) == ["worker.online"]


def test_fanout_exchanges_reach_every_queue_of_every_connection(url: str, connection: Connection) -> None:
    exchange = Exchange("celery.pidbox", type="fanout")
    first, second = Queue("w1.pidbox", exchange), Queue("w2.pidbox", exchange)
    declared(connection, first)
    with Connection(url) as other:
        declared(other, second)
        publish(connection, "ping", exchange=exchange, routing_key="")
        assert drain(other, second) == ["ping"]
    assert drain(connection, first) == ["ping"]


def test_a_publisher_that_declared_nothing_uses_the_exchange_others_declared(url: str, connection: Connection) -> None:
    exchange = Exchange("celeryev", type="topic")
    queue = Queue("all", exchange, routing_key="task.#")
    declared(connection, queue)
    with Connection(url) as other, open_channel(other) as channel:
        channel.basic_publish(channel.prepare_message("sent"), exchange="celeryev", routing_key="task.sent")
    with open_channel(connection) as channel:
        assert channel.basic_get("all", no_ack=True) is not None


def test_an_unbound_queue_gets_nothing_more(connection: Connection) -> None:
    exchange = Exchange("replies", type="direct")
    queue = Queue("a", exchange, routing_key="a")
    declared(connection, queue)
    queue(connection.default_channel).unbind_from(exchange, routing_key="a")
    publish(connection, "late", exchange=exchange, routing_key="a")
    assert drain(connection, queue) == []


def test_an_unknown_exchange_type_is_refused(connection: Connection) -> None:
    with pytest.raises(ChannelError, match="NOT_IMPLEMENTED"):
        Exchange("h", type="headers")(connection.default_channel).declare()


def test_a_rejected_message_is_gone_and_a_requeued_one_keeps_its_place(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for n in range(3):
        publish(connection, n, routing_key="loop")
    with open_channel(connection) as channel:
        zero, one = channel.basic_get("loop"), channel.basic_get("loop")
        assert zero is not None
        assert one is not None
        zero.reject()
        one.requeue()
        again = channel.basic_get("loop")
        assert again is not None
        assert (again.payload, again.delivery_info["redelivered"]) == (1, True)
        assert one.delivery_info["redelivered"] is False
        again.ack()
    assert drain(connection, queue) == [2]


def test_an_ack_that_comes_too_late_does_not_take_the_message_from_its_next_consumer(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    publish(connection, "work", routing_key="loop")
    first, second = open_channel(connection), open_channel(connection)
    late = first.basic_get("loop")
    assert late is not None
    first.qos.restore_unacked()  # what a channel does when it closes
    assert second.basic_get("loop") is not None
    first.qos.ack(str(late.delivery_tag))
    second.close()
    assert drain(connection, queue) == ["work"]


def test_unacked_messages_come_back_when_their_channel_closes(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for n in range(3):
        publish(connection, n, routing_key="loop")
    assert drain(connection, queue, ack=False) == [0, 1, 2]
    assert size(connection, queue) == 3
    assert drain(connection, queue) == [0, 1, 2]


def test_a_consumer_takes_no_more_than_its_credit(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for n in range(5):
        publish(connection, n, routing_key="loop")
    got: list[Message] = []
    with connection.channel() as channel:
        consumer = Consumer(channel, [queue], on_message=got.append)
        consumer.qos(prefetch_count=2)
        with consumer:
            for _ in range(2):
                connection.drain_events(timeout=1)
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.05)
            got[0].ack()
            connection.drain_events(timeout=1)
    assert [message.payload for message in got] == [0, 1, 2]


@pytest.mark.parametrize("act", [Message.ack, Message.requeue])
@pytest.mark.slow
def test_a_message_settled_by_another_thread_wakes_the_waiting_consumer(
    connection: Connection, act: Callable[[Message], None]
) -> None:
    import threading

    queue = Queue("loop")
    declared(connection, queue)
    for n in range(2):
        publish(connection, n, routing_key="loop")
    got: list[Message] = []
    with connection.channel() as channel:
        consumer = Consumer(channel, [queue], on_message=got.append)
        consumer.qos(prefetch_count=1)
        with consumer:
            connection.drain_events(timeout=1)
            settled: list[float] = []

            def settle() -> None:
                settled.append(time.monotonic())
                act(got[0])

            timer = threading.Timer(0.6, settle)  # long enough for the consumer to have slowed down to 50 ms looks
            timer.start()
            connection.drain_events(timeout=5)
            woken_after = time.monotonic() - settled[0]
            timer.join()
    assert len(got) == 2
    assert woken_after < 0.04


def test_more_credit_is_used_at_once_even_if_nothing_was_written_since(connection: Connection) -> None:
    busy, quiet = Queue("loop"), Queue("control")
    declared(connection, busy, quiet)
    for n in range(2):
        publish(connection, n, routing_key="loop")
    got: list[Message] = []
    with connection.channel() as one, connection.channel() as two:
        consumer = Consumer(one, [busy], on_message=got.append)
        consumer.qos(prefetch_count=1)
        with consumer, Consumer(two, [quiet], on_message=got.append):
            connection.drain_events(timeout=1)
            with pytest.raises(TimeoutError):
                connection.drain_events(timeout=0.05)
            consumer.qos(prefetch_count=2)
            connection.drain_events(timeout=1)
    assert [message.payload for message in got] == [0, 1]


def test_an_idle_consumer_looks_ever_more_seldom() -> None:
    pace = Pace()
    pace.busy(100.0)
    naps = {0.0: 0.001, 0.01: 0.001, 0.2: 0.004, 2.0: 0.04, 4.9: 0.05, 5.0: 0.1, 900.0: 0.1}
    assert {idle_s: round(pace.nap_s(100.0 + idle_s), 4) for idle_s in naps} == naps


def test_no_ack_consumers_leave_nothing_behind(connection: Connection) -> None:
    queue = Queue("pidbox", no_ack=True)
    declared(connection, queue)
    publish(connection, "ping", routing_key="pidbox")
    with connection.channel() as channel, Consumer(channel, [queue], no_ack=True, on_message=lambda _: None):
        connection.drain_events(timeout=1)
    assert size(connection, queue) == 0


def test_size_counts_ready_messages_and_purge_deletes_them(connection: Connection) -> None:
    queue = Queue("loop")
    declared(connection, queue)
    for n in range(4):
        publish(connection, n, routing_key="loop")
    assert size(connection, queue) == 4
    assert queue(connection.default_channel).purge() == 4
    assert size(connection, queue) == 0


def test_declaring_passively_asks_whether_the_queue_is_there(connection: Connection) -> None:
    with pytest.raises(ChannelError, match="NOT_FOUND"):
        size(connection, Queue("nowhere"))
    declared(connection, Queue("here"))
    assert size(connection, Queue("here")) == 0


@pytest.mark.parametrize("body", [b"\x00\xff bytes", b"t\xc3\xa4xt", "täxt"])
def test_bodies_come_through_as_they_were(connection: Connection, body: bytes | str) -> None:
    declared(connection, Queue("loop"))
    publish(connection, body, routing_key="loop")
    with open_channel(connection) as channel:
        message = channel.basic_get("loop", no_ack=True)
    assert message is not None
    assert message.payload == body
