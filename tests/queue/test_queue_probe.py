"""What the probe says about brokers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis

from loopy.queue.app import make_app
from loopy.queue.doorbell import CeleryDoorbell
from loopy.queue.probe import Finding, probe

URL = "redis://me:hunter2@127.0.0.1:1/0"
GOOD = {"redis_version": "7.0.15", "aof_enabled": 1, "maxmemory_policy": "noeviction"}


class Telling(fakeredis.FakeRedis):
    """fakeredis knows neither INFO nor CONFIG; this one answers them."""

    told: dict[str, Any] = GOOD
    settings: dict[bytes, bytes] | None = None

    def info(self, section: str | None = None, *args: str, **kwargs: Any) -> Any:
        return self.told

    def config_get(self, pattern: Any = "*", *args: Any, **kwargs: Any) -> Any:
        if self.settings is None:
            raise redis.ResponseError("unknown command 'CONFIG'")
        return {key: value for key, value in self.settings.items() if key.decode() == pattern}


def telling(settings: dict[bytes, bytes] | None = None, **told: Any) -> Telling:
    client = Telling(server=fakeredis.FakeServer())
    client.told = {**GOOD, **told}
    client.settings = settings
    return client


def found(client: redis.Redis) -> dict[str, Finding]:
    return {finding.name: finding for finding in probe(URL, client=client)}


def test_a_fit_redis_is_all_right() -> None:
    findings = found(telling())
    assert [finding.ok for finding in findings.values()] == [True] * 4
    assert findings["broker version"].text == "Redis 7.0.15"


def test_a_server_that_does_not_answer_is_found() -> None:
    server = fakeredis.FakeServer()
    server.connected = False
    (finding,) = probe(URL, client=fakeredis.FakeRedis(server=server))
    assert (finding.name, finding.ok) == ("broker", False)
    assert finding.fix
    assert "hunter2" not in finding.text


def test_an_evicting_server_is_not_fit() -> None:
    finding = found(telling(maxmemory_policy="allkeys-lru"))["broker eviction"]
    assert finding.ok is False
    assert "noeviction" in finding.fix


def test_the_setting_counts_more_than_the_summary() -> None:
    assert found(telling({b"maxmemory-policy": b"volatile-lru"}))["broker eviction"].ok is False


@pytest.mark.parametrize(
    ("aof", "settings", "ok"),
    [(1, None, True), (0, {b"save": b"3600 1"}, True), (0, {b"save": b""}, False), (0, None, None)],
)
def test_persistence_is_told_apart(aof: int, settings: dict[bytes, bytes] | None, ok: bool | None) -> None:
    assert found(telling(settings, aof_enabled=aof))["broker persistence"].ok is ok


def test_an_old_server_is_not_fit_and_valkey_is_named() -> None:
    assert found(telling(redis_version="4.0.9"))["broker version"].ok is False
    assert found(telling(valkey_version="9.1.2"))["broker version"].text == "Valkey 9.1.2"


def test_what_a_server_does_not_tell_is_left_open() -> None:
    findings = found(fakeredis.FakeRedis(server=fakeredis.FakeServer()))
    assert findings.pop("broker").ok is True
    assert {finding.ok for finding in findings.values()} == {None}


def test_an_embedded_broker_tells_its_journal_and_what_waits_where(url: str, path: Path) -> None:
    (new,) = probe(url)
    assert new.ok is True
    assert not path.exists()
    bell = CeleryDoorbell(make_app(url))
    bell.ring("LP-1.1", 1, ["code"])
    bell.ring("LP-1.2", 1, ["code"])
    findings = {finding.name: finding for finding in probe(url)}
    assert findings["broker journal"].text == "journal mode wal"
    assert findings["queue code"].text == "2 waiting, 0 out"
    assert all(finding.ok for finding in findings.values())


def test_a_damaged_broker_file_is_found_with_what_to_do(url: str, path: Path) -> None:
    path.write_bytes(b"not a database at all, " * 100)
    (finding,) = probe(url)
    assert finding.ok is False
    assert "delete it" in finding.fix


def test_a_broker_that_loses_messages_is_found() -> None:
    (finding,) = probe("filesystem://")
    assert finding.ok is False
    assert "embedded" in finding.fix


def test_a_rabbitmq_that_is_not_there_is_found() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        (finding,) = probe(f"amqp://guest:hunter2@127.0.0.1:{closed.getsockname()[1]}//")
    assert finding.ok is False
    assert "hunter2" not in finding.text
