"""What differs between brokers: their addresses, which way priorities run, the options that keep a connection honest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from loopy.domain.errors import BrokerError
from loopy.queue.embedded.url import SCHEME

HIGHEST_PRIORITY = 9
SECRET = re.compile(r"(?<=://)([^@/]*)(?=@)")


class Family(StrEnum):
    """The kind of a broker."""

    EMBEDDED = "embedded"
    REDIS = "redis"
    AMQP = "amqp"
    OTHER = "other"


FAMILIES: Mapping[str, Family] = {
    SCHEME: Family.EMBEDDED,
    "redis": Family.REDIS,
    "rediss": Family.REDIS,
    "sentinel": Family.REDIS,
    "amqp": Family.AMQP,
    "amqps": Family.AMQP,
    "pyamqp": Family.AMQP,
    "memory": Family.OTHER,
    "pgmq": Family.OTHER,
}
SPOKEN_AS = {"valkey": "redis", "valkeys": "rediss", "rabbitmq": "amqp"}  # same protocol, a name kombu does not know
UNFIT = {  # facts measured with kombu 5.7.0
    "filesystem": "that transport reads messages half written",
    "sqla": "that transport loses the messages of a killed worker and drops them when the database is locked",
    "sqlalchemy": "that transport loses the messages of a killed worker and drops them when the database is locked",
}

REDIS_OPTIONS: Mapping[str, Any] = {
    # `visibility_timeout` stays at its default: a second delivery finds its claim taken and ends at once.
    "socket_connect_timeout": 5,
    # A server that died without a word is missed soon: nothing else is heard meanwhile, not even a TERM.
    "socket_timeout": 8,  # above the second of a blocking pop
    "retry_on_timeout": False,  # Celery connects anew
    "socket_keepalive": True,
    "health_check_interval": 25,
    "queue_order_strategy": "priority",
    "priority_steps": list(range(HIGHEST_PRIORITY + 1)),
}


def spoken(url: str) -> str:
    """Return the URL with the scheme that kombu knows; BrokerError for a broker that loses messages or is unknown."""
    scheme, found, rest = url.partition("://")
    base = scheme.partition("+")[0]
    if base in UNFIT:
        raise BrokerError(without_secret(url), UNFIT[base], hint="leave the setting empty for the embedded broker")
    url = f"{SPOKEN_AS.get(scheme, scheme)}{found}{rest}"
    if not found or SPOKEN_AS.get(base, base) not in FAMILIES:
        known = ", ".join(sorted({*FAMILIES, *SPOKEN_AS}))
        raise BrokerError(without_secret(url), "no broker speaks this scheme", hint=f"known: {known}")
    return url


def family_of(url: str) -> Family:
    """Return the family of a broker URL that `spoken` has let through."""
    return FAMILIES.get(url.partition("://")[0].partition("+")[0], Family.OTHER)


def transport_options(family: Family) -> dict[str, Any]:
    """Return the transport options for a worker's connection."""
    return dict(REDIS_OPTIONS) if family is Family.REDIS else {}


def hasty_options(family: Family, wait_s: float) -> dict[str, Any]:
    """Return the transport options for a caller that waits `wait_s` at most."""
    match family:
        case Family.EMBEDDED:
            return {"patience_s": wait_s}
        case Family.REDIS:
            return {"socket_connect_timeout": wait_s, "socket_timeout": wait_s, "retry_on_timeout": False}
        case Family.AMQP:
            return {"read_timeout": wait_s, "write_timeout": wait_s}
        case _:
            return {}


def broker_priority(family: Family, priority: int) -> int:
    """Return the broker's number for a priority of 0 to 9, higher first: in kombu's Redis queues 0 comes first."""
    bounded = min(max(priority, 0), HIGHEST_PRIORITY)
    return HIGHEST_PRIORITY - bounded if family is Family.REDIS else bounded


def without_secret(url: str) -> str:
    """Return the URL without user and password, fit for a log."""
    return SECRET.sub("**", url)
