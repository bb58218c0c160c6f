"""What a seed's home stands on: the embedded broker, Redis or RabbitMQ, and SQLite or Postgres; each seed has servers of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loopy.queue.app import QUEUES
from tests.chaos_stack.redis import Redis
from tests.support.servers import RABBITMQ, Postgres, RabbitMQ, postgres, postgres_folder, rabbitmq

BROKERS, DATABASES = ("embedded", "redis", "rabbitmq"), ("sqlite", "postgres")


@dataclass(frozen=True)
class Ground:
    """Which broker and which database."""

    broker: str = "embedded"
    database: str = "sqlite"

    def __str__(self) -> str:
        return self.broker if self.database == "sqlite" else f"{self.broker} {self.database}"

    @property
    def installed(self) -> bool:
        """Whether the servers that it needs are there."""
        brokers = {"embedded": True, "redis": shutil.which("redis-server"), "rabbitmq": RABBITMQ.exists()}
        return bool(brokers[self.broker] and (self.database == "sqlite" or postgres_folder()))


@dataclass(frozen=True)
class Servers:
    """The servers of one seed; what is embedded is None."""

    redis: Redis | None = None
    rabbitmq: RabbitMQ | None = None
    postgres: Postgres | None = None
    database_url: str = ""

    @property
    def env(self) -> Mapping[str, str]:
        """Return the variables that name them to a home."""
        broker = self.redis or self.rabbitmq
        named = {"LOOPY_BROKER_URL": broker.url if broker else "", "LOOPY_DATABASE_URL": self.database_url}
        return {name: url for name, url in named.items() if url}

    def purge(self) -> str:
        """Drop every message that waits in RabbitMQ; return how many these were."""
        from kombu import Connection

        if self.rabbitmq is None:
            return ""
        gone = 0
        with Connection(self.rabbitmq.url) as connection:
            for queue in QUEUES:
                with suppress(*connection.channel_errors):  # no worker has declared it yet
                    gone += connection.channel().queue_purge(queue) or 0  # type: ignore[attr-defined]  # an amqp channel
        return f"{gone} messages"


@contextmanager
def servers(on: Ground, folder: Path) -> Iterator[Servers]:
    """Run what the ground names, each on a free port of the loopback."""
    with ExitStack() as stack:
        redis = Redis(folder) if on.broker == "redis" else None
        if redis:
            stack.callback(redis.kill)
        rabbit = stack.enter_context(rabbitmq()) if on.broker == "rabbitmq" else None
        graph = stack.enter_context(postgres(durable=True)) if on.database == "postgres" else None  # it gets killed
        yield Servers(redis, rabbit, graph, graph.fresh() if graph else "")
