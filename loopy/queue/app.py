"""The Celery app: queues, routes and settings; it has no tasks, `workers` adds them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loopy.engine.order import QUEUES as STEPS
from loopy.queue.brokers import HIGHEST_PRIORITY, Family, broker_priority, family_of, spoken, transport_options
from loopy.queue.embedded.url import register

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Queue

TASK_PREFIX = "loopy."
QUEUES = ("loop", "code", "checks", "control", "integrations")
STEP_QUEUES: Mapping[str, str] = {**{str(step): queue for step, queue in STEPS.items()}, "recover": "control"}

SETTINGS: Mapping[str, Any] = {
    # JSON, nothing else
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
    # no result backend: the work graph has the results
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    # a message is acknowledged when its task has ended, and one at a time is taken for each thread
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "worker_pool": "loopy.queue.carry:TaskPool",  # threads
    # queues exist by name, or not at all
    "task_default_queue": "loop",
    "task_create_missing_queues": False,
    "task_inherit_parent_priority": True,
    # a broker that goes away comes back; running agents do not die of it
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_connection_timeout": 4.0,
    "broker_heartbeat": 10,  # AMQP: a connection that is silent for two of them is gone
    "broker_pool_acquire_timeout": 5.0,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # the process is ours: Celery neither takes the root logger nor stdout
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # events cost each step a tenth of its time: Flower turns them on in all workers while it watches
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "event_queue_expires": 60.0,
    "event_queue_ttl": 5.0,
}


def make_app(broker_url: str, *, name: str = "loopy") -> Celery:
    """Return a Celery app for the broker; nothing is connected and no task is registered.

    `broker_url`: `embedded_url(path)`, or redis, valkey, amqp/rabbitmq as kombu takes them. BrokerError for brokers
    that lose messages. Run a worker as `celery -A module:app worker -c N`, or `app.Worker(...)` in-process.
    """
    from celery import Celery

    url = spoken(broker_url)
    register()
    family = family_of(url)
    app = Celery(name, broker=url, set_as_current=False)
    app.conf.update(
        SETTINGS,
        task_queues=task_queues(),
        task_routes={f"{TASK_PREFIX}{step}": {"queue": queue} for step, queue in STEP_QUEUES.items()},
        task_default_priority=broker_priority(family, 0),
        task_annotations=task_annotations(family),
        broker_transport_options=transport_options(family),
    )
    return app


def refuse_unfit(app: Celery) -> None:
    """Raise BrokerError for a broker file that no waiting mends; a broker that is only away is waited for by Celery."""
    if family_of(str(app.conf.broker_url)) is not Family.EMBEDDED:
        return
    with app.connection_for_write() as connection, suppress(*connection.connection_errors):
        connection.connect()


def task_queues() -> list[Queue]:
    """Return the five queues: durable, with priorities."""
    from kombu import Queue

    arguments = {"x-max-priority": HIGHEST_PRIORITY}
    return [Queue(name, routing_key=name, durable=True, queue_arguments=dict(arguments)) for name in QUEUES]


def task_annotations(family: Family) -> dict[str, dict[str, Any]]:
    """Return what differs by task: on AMQP the long ones are acknowledged at their start.

    RabbitMQ closes the channel of a consumer that has not acknowledged for 30 minutes (`consumer_timeout`), which would
    take every other task of the worker with it; recovery does not depend on redelivery.
    """
    if family is not Family.AMQP:
        return {}
    return {f"{TASK_PREFIX}{step}": {"acks_late": False} for step, queue in STEP_QUEUES.items() if queue == "code"}
