"""What `loopy doctor` says about the broker: reachable, and fit to carry work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopy.domain.errors import BrokerError
from loopy.queue.brokers import Family, family_of, spoken, without_secret
from loopy.queue.embedded.url import path_of, register

if TYPE_CHECKING:
    import redis

WAIT_S = 2.0
OLDEST_REDIS = (5, 0)
FIXED_SQLITE = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok` is None when it could not be told; `fix` says what to do when it is not ok."""

    name: str
    ok: bool | None
    text: str
    fix: str = ""


def probe(broker_url: str, *, client: redis.Redis | None = None) -> list[Finding]:
    """Look at the broker, for at most a few seconds; never raises for its state.

    `client` replaces the connection to a Redis broker.
    """
    try:
        url = spoken(broker_url)
    except BrokerError as error:
        return [Finding("broker", ok=False, text=f"{error.where}: {error.what}", fix=error.hint)]
    match family_of(url):
        case Family.REDIS:
            return _redis(url, client)
        case Family.EMBEDDED:
            return _embedded(path_of(url))
        case _:
            return [_reachable(url)]


def _redis(url: str, client: redis.Redis | None) -> list[Finding]:
    import redis

    try:
        server = client or redis.Redis.from_url(
            url.replace("redis+socket://", "unix://", 1), socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S
        )
        server.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        fix = "start it, or leave the setting empty for the embedded broker"
        return [Finding("broker", ok=False, text=f"{without_secret(url)} does not answer: {error}", fix=fix)]
    facts = _facts(server)
    return [
        Finding("broker", ok=True, text=f"{without_secret(url)} answers"),
        _version(facts),
        _persistence(facts),
        _eviction(facts),
    ]


def _facts(server: redis.Redis) -> dict[str, Any]:
    """Return INFO and the three settings that matter; without what the server refuses to tell."""
    import redis

    facts: dict[str, Any] = {}
    for question in (server.info, lambda: server.config_get("maxmemory-policy"), lambda: server.config_get("save")):
        try:
            answer = question()
        except redis.RedisError:
            continue  # hosted servers forbid CONFIG
        facts |= {_text(key): _text(value) for key, value in answer.items()}
    return facts


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _version(facts: dict[str, Any]) -> Finding:
    told = facts.get("valkey_version") or facts.get("redis_version")
    if told is None:
        return Finding("broker version", ok=None, text="the server does not tell its version")
    name = "Valkey" if "valkey_version" in facts else "Redis"
    ok = tuple(int(part) for part in told.split(".")[:2] if part.isdigit()) >= OLDEST_REDIS
    return Finding("broker version", ok=ok, text=f"{name} {told}", fix="" if ok else "use Redis 5 or later, or Valkey")


def _persistence(facts: dict[str, Any]) -> Finding:
    if "aof_enabled" not in facts:
        return Finding("broker persistence", ok=None, text="the server does not tell whether it persists")
    if facts["aof_enabled"] == "1":
        return Finding("broker persistence", ok=True, text="append-only file on")
    fix = "nothing is lost, but queued work waits for a sweep after a restart; `CONFIG SET appendonly yes` spares that"
    if facts.get("save"):
        return Finding("broker persistence", ok=True, text=f"snapshots only ({facts['save']})", fix=fix)
    known = "save" in facts
    return Finding("broker persistence", ok=False if known else None, text="no append-only file", fix=fix)


def _eviction(facts: dict[str, Any]) -> Finding:
    policy = facts.get("maxmemory-policy") or facts.get("maxmemory_policy")
    if policy is None:
        return Finding("broker eviction", ok=None, text="the server does not tell its maxmemory-policy")
    ok = policy == "noeviction"
    fix = "" if ok else "`CONFIG SET maxmemory-policy noeviction`: a full server must refuse messages, not forget them"
    return Finding("broker eviction", ok=ok, text=f"maxmemory-policy is {policy}", fix=fix)


def _embedded(path: Path) -> list[Finding]:
    import sqlite3

    from loopy.queue.embedded.messages import depths
    from loopy.queue.embedded.registry import borrow, give_back

    if not path.exists():
        return [Finding("broker", ok=True, text=f"{path} will be made when it is first used")]
    try:
        file = borrow(path, WAIT_S)
        try:
            mode, queues = file.read("PRAGMA journal_mode")[0][0], depths(file)
        finally:
            give_back(file)
    except (BrokerError, sqlite3.Error) as error:
        fix = error.hint if isinstance(error, BrokerError) else "see which process holds the file"
        what = error.what if isinstance(error, BrokerError) else str(error)
        return [Finding("broker", ok=False, text=f"{path}: {what}", fix=fix)]
    return [
        Finding("broker", ok=True, text=f"embedded, {path}"),
        Finding(
            "broker journal",
            ok=mode == "wal",
            text=f"journal mode {mode}",
            fix="" if mode == "wal" else "use a local disk",
        ),
        _sqlite(),
        *(
            Finding(f"queue {name}", ok=True, text=f"{ready} waiting, {out} out")
            for name, (ready, out) in queues.items()
        ),
    ]


def _sqlite() -> Finding:
    import sqlite3

    text = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < FIXED_SQLITE:
        text += "; its WAL-reset bug (fixed in 3.51.3) is avoided by a single checkpointer"
    return Finding("broker SQLite", ok=True, text=text)


def _reachable(url: str) -> Finding:
    from kombu import Connection

    register()
    try:
        with Connection(url, connect_timeout=WAIT_S) as connection:
            connection.ensure_connection(max_retries=0, interval_start=0)
    except Exception as error:  # every driver has errors of its own
        return Finding("broker", ok=False, text=f"{without_secret(url)} does not answer: {error}", fix="start it")
    return Finding("broker", ok=True, text=f"{without_secret(url)} answers")
