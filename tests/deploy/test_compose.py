"""What `docker compose` is told: no default password, no open port, one beat, migrations first, time to stop."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.compose import FILE, ROOT, answer, services

SECRETS = {"POSTGRES_PASSWORD": "pg-word", "REDIS_PASSWORD": "redis-word", "FLOWER_BASIC_AUTH": "ada:flower-word"}
OURS = ("migrate", "worker", "beat", "flower")


@pytest.fixture
def found() -> dict[str, dict[str, Any]]:
    return services(SECRETS)


@pytest.mark.slow
@pytest.mark.parametrize("missing", SECRETS)
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_nothing_starts_without_each_password(missing: str, how: str) -> None:
    words = {**SECRETS, missing: ""}
    if how == "absent":
        del words[missing]
    told = answer(words)
    assert told.returncode != 0
    assert f"set {missing}" in told.stderr


@pytest.mark.slow
def test_the_example_of_the_environment_names_every_secret_and_fills_none() -> None:
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example == dict.fromkeys(SECRETS, "")
    assert answer(example).returncode != 0


def test_every_variable_is_either_demanded_or_no_secret() -> None:
    text = re.sub(r"(?m)^#.*$", "", FILE.read_text())
    variables = re.findall(r"\$\{?(\w+)(:\?|:-)?", text)
    assert {(name, how) for name, how in variables} == {*((name, ":?") for name in SECRETS), ("FLOWER_PORT", ":-")}


@pytest.mark.slow
def test_the_only_port_is_flowers_on_the_loopback_interface(found: dict[str, dict[str, Any]]) -> None:
    assert {name: each["ports"] for name, each in found.items() if "ports" in each} == {
        "flower": ["127.0.0.1:5555:5555/tcp"]
    }
    assert services({**SECRETS, "FLOWER_PORT": "6000"})["flower"]["ports"] == ["127.0.0.1:6000:5555/tcp"]
    assert all("network_mode" not in each for each in found.values())


@pytest.mark.slow
def test_all_of_ours_know_the_same_graph_broker_and_home(found: dict[str, dict[str, Any]]) -> None:
    assert set(found) == {*OURS, "postgres", "redis"}
    for name in OURS:
        env = found[name]["environment"]
        assert env["LOOPY_DATABASE_URL"] == "postgresql://loopy:pg-word@postgres:5432/loopy"
        assert env["LOOPY_BROKER_URL"] == "redis://:redis-word@redis:6379/0"
        assert found[name]["volumes"] == [f"home:{env['LOOPY_HOME']}:rw"]
    assert found["postgres"]["environment"]["POSTGRES_PASSWORD"] == "pg-word"
    assert found["redis"]["command"][-2:] == ["--requirepass", "redis-word"]
    assert [name for name, each in found.items() if "flower-word" in str(each)] == ["flower"]


@pytest.mark.slow
def test_ours_have_no_rights_that_they_do_not_need(found: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        assert (found[name]["cap_drop"], found[name]["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name
        assert found[name]["init"] is True
        assert "user" not in found[name]
        assert "privileged" not in found[name]


@pytest.mark.slow
def test_the_graph_is_migrated_once_before_anybody_works(found: dict[str, dict[str, Any]]) -> None:
    assert found["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "restart" not in found["migrate"]
    for name in ("worker", "beat", "flower"):
        assert found[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
        assert found[name]["restart"] == "unless-stopped"
    for name in ("postgres", "redis", "worker", "flower"):
        assert found[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.slow
def test_worker_and_beat_are_one_each_and_the_worker_has_time_to_stop(found: dict[str, dict[str, Any]]) -> None:
    commands = {name: each["command"] for name, each in found.items() if name in OURS}
    assert [name for name, words in commands.items() if "beat" in words or "--beat" in words or "up" in words] == [
        "beat"
    ]
    assert [name for name, words in commands.items() if "worker" in words] == ["worker"]
    assert all("container_name" in found[name] for name in ("worker", "beat"))  # compose refuses to scale these
    assert found["worker"]["stop_grace_period"] == "5m"
    assert all("stop_signal" not in found[name] for name in OURS)  # the image's: SIGTERM
