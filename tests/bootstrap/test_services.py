"""What the composition root gives every surface."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from loopy.bootstrap.desk import known_secrets
from loopy.bootstrap.services import Services, services
from loopy.domain.agent import Agent
from loopy.settings.write import add_agent


@pytest.fixture
def made(tmp_path: Path) -> Services:
    return services({"LOOPY_HOME": str(tmp_path / "home"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]})


def test_an_agent_that_is_added_later_is_known_without_a_restart(made: Services) -> None:
    assert made.fleet.agents() == {}
    text = add_agent("", Agent(name="late", argv=("true",)))
    made.settings.file.write_text(text)
    assert set(made.fleet.agents()) == {"late"}


def test_a_broken_file_leaves_the_agents_as_they_were(made: Services, caplog: pytest.LogCaptureFixture) -> None:
    made.settings.file.write_text(add_agent("", Agent(name="late", argv=("true",))))
    assert set(made.fleet.agents()) == {"late"}
    made.settings.file.write_text("agents = 3 [")
    os.utime(made.settings.file, ns=(1, 1))
    assert set(made.fleet.agents()) == {"late"}
    assert "stay as they were" in caplog.text


def test_the_home_and_its_database_are_the_owners_alone(made: Services) -> None:
    with made.graph.read():
        pass
    assert stat.S_IMODE(made.settings.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.settings.db.stat().st_mode) == 0o600
    made.graph.close()


def test_what_is_named_like_a_secret_is_one() -> None:
    env = {"OPENAI_API_KEY": "k" * 20, "MY_TOKEN": "t" * 20, "PATH": "/usr/bin:/usr/local/bin", "SHORT_KEY": "x"}
    assert known_secrets(env) == ["k" * 20, "t" * 20]
