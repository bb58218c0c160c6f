"""The Celery app: JSON only, five queues, every step routed, no broker that loses messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Producer
from kombu.exceptions import ContentDisallowed

from loopy.domain.errors import BrokerError
from loopy.queue.app import QUEUES, STEP_QUEUES, make_app
from loopy.queue.brokers import broker_priority, family_of, hasty_options, spoken

REDIS, RABBIT = "redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"


def test_every_step_has_a_route_to_a_queue_that_exists(url: str) -> None:
    app = make_app(url)
    assert set(STEP_QUEUES.values()) == set(QUEUES)
    for step, queue in STEP_QUEUES.items():
        assert app.amqp.router.route({}, f"loopy.{step}")["queue"].name == queue


def test_an_unknown_queue_is_an_error_not_a_new_queue(url: str) -> None:
    with pytest.raises(Exception, match="nowhere"):
        make_app(url).send_task("loopy.plan", queue="nowhere")


def test_two_apps_live_side_by_side_and_none_is_the_current_one(url: str) -> None:
    from celery import current_app

    one, two = make_app(url, name="one"), make_app(REDIS, name="two")
    assert (one.main, two.main) == ("one", "two")
    assert current_app.main not in {"one", "two"}


def test_making_an_app_touches_no_file(tmp_path: Path) -> None:
    from loopy.queue.embedded.url import embedded_url

    make_app(embedded_url(tmp_path / "deep" / "broker.db"))
    assert list(tmp_path.iterdir()) == []


def test_the_agents_step_is_acknowledged_early_on_amqp_only(url: str) -> None:
    def late(broker: str) -> bool:
        app = make_app(broker)

        @app.task(name="loopy.code", shared=False)
        def code(run_id: str, epoch: int) -> None: ...

        app.finalize()
        return bool(app.tasks["loopy.code"].acks_late)

    assert (late(url), late(REDIS), late(RABBIT)) == (True, True, False)


def test_there_is_no_result_backend(url: str) -> None:
    from celery.backends.base import DisabledBackend

    assert isinstance(make_app(url).backend, DisabledBackend)


def test_a_pickled_message_is_refused_and_does_not_run(url: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    app = make_app(url)
    refused: list[Exception] = []

    def on_decode_error(message: Any, error: Exception) -> None:
        refused.append(error)
        message.reject()

    with Connection(url) as connection, connection.channel() as channel:
        consumer = app.amqp.TaskConsumer(channel, on_decode_error=on_decode_error, callbacks=[lambda *_: None])
        with consumer:
            Producer(channel).publish(Bomb(mark), routing_key="loop", serializer="pickle")
            connection.drain_events(timeout=2)
    assert [type(error) for error in refused] == [ContentDisallowed]
    assert not mark.exists()


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_an_argument_that_is_not_json_is_refused_at_the_sender(url: str) -> None:
    with pytest.raises(Exception, match="JSON"):
        make_app(url).send_task("loopy.plan", args=(object(), 1))


@pytest.mark.parametrize(
    "broker", ["filesystem://", "sqla+sqlite:///x.db", "sqlalchemy+sqlite:///x.db", "nats://h", "nonsense"]
)
def test_brokers_that_lose_messages_or_are_unknown_are_refused(broker: str) -> None:
    with pytest.raises(BrokerError):
        make_app(broker)


def test_a_refusal_does_not_show_the_password() -> None:
    with pytest.raises(BrokerError) as caught:
        make_app("nats://me:hunter2@host/")
    assert "hunter2" not in str(caught.value)


def test_valkey_and_rabbitmq_are_spoken_to_by_their_protocols() -> None:
    assert spoken("valkey://h:1/0") == "redis://h:1/0"
    assert spoken("rabbitmq://h//") == "amqp://h//"
    assert spoken("redis+socket:///run/redis.sock") == "redis+socket:///run/redis.sock"


def test_on_redis_the_first_priority_is_zero_and_elsewhere_nine(url: str) -> None:
    assert [broker_priority(family_of(b), 9) for b in (url, RABBIT, REDIS)] == [9, 9, 0]
    assert [broker_priority(family_of(b), 0) for b in (url, RABBIT, REDIS)] == [0, 0, 9]
    assert broker_priority(family_of(url), 99) == 9
    assert make_app(REDIS).conf.task_default_priority == 9


def test_redis_connections_notice_a_peer_that_is_gone() -> None:
    options = make_app(REDIS).conf.broker_transport_options
    assert options["socket_keepalive"] is True
    assert options["health_check_interval"] > 0
    assert 1 < options["socket_timeout"] <= 10  # the one who waits hears no TERM either
    assert options["retry_on_timeout"] is False
    assert "visibility_timeout" not in options
    assert hasty_options(family_of(REDIS), 1.0)["socket_timeout"] == 1.0
