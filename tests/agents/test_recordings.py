"""What real CLIs wrote in each scenario, replayed; `make agents-real RECORD=tests/agents/recorded` makes them anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from loopy.agents.judge import judge, refused_session
from loopy.agents.reading import Reading
from loopy.agents.scripted.scenarios import TURNED, expected, names_for
from loopy.domain.agent import Agent
from loopy.domain.events import StreamEvent
from loopy.process.command import Ending, Exit
from tests.agents.support import CATALOG, NOW
from tests.agents_real.install import rows as pinned

RECORDED = Path(__file__).parent / "recorded"
SAID: dict[str, dict[str, dict[str, Any]]] = {
    folder.name: json.loads((folder / "said.json").read_text()) for folder in sorted(RECORDED.iterdir())
}
CASES = [(cli, scenario) for cli, rows in SAID.items() for scenario in rows]
USED = ("input_tokens", "output_tokens", "cost_micros")


@dataclass(frozen=True)
class Replay:
    """A recording read again."""

    reading: Reading
    events: list[StreamEvent]
    ended: Exit


def replay(cli: str, scenario: str) -> Replay:
    row, reading = SAID[cli][scenario], Reading(CATALOG[cli], lambda: NOW)
    reading.ended = row["ending"] != "exited"  # what it said of success came after that
    events = [event for line in lines(cli, scenario, "out") for event, _ in reading.stdout(line)]
    events += [event for line in lines(cli, scenario, "err") for event, _ in reading.stderr(line)]
    events += [event for event, _ in reading.end()]
    ended = Exit(Ending(row["ending"]), row["code"], row["signal"], stopped_for=row["stopped_for"])
    return Replay(reading, events, ended)


def lines(cli: str, scenario: str, stream: str) -> list[str]:
    path = RECORDED / cli / f"{scenario}.{stream}"
    return path.read_text().splitlines() if path.exists() else []


def test_every_cli_that_is_driven_for_real_is_recorded_in_every_scenario() -> None:
    assert {cli: sorted(rows) for cli, rows in SAID.items()} == {cli: sorted(names_for("print")) for cli in pinned()[1]}


@pytest.mark.parametrize(("cli", "scenario"), CASES)
def test_a_recording_comes_to_what_its_scenario_must(cli: str, scenario: str) -> None:
    got = replay(cli, scenario)
    verdict = judge(got.reading, got.ended, Agent(name="a", cli=cli), NOW)
    word = str(verdict.failure) if verdict else TURNED
    assert word in expected(CATALOG[cli], scenario)
    assert word == SAID[cli][scenario]["came_to"]
    stated = bool(verdict and verdict.resets_at)
    assert stated is SAID[cli][scenario].get("resets", False)
    if verdict and verdict.resets_at:
        assert NOW <= verdict.resets_at <= NOW + timedelta(minutes=61)


@pytest.mark.parametrize(("cli", "scenario"), CASES)
def test_a_recording_gives_the_session_words_tools_and_usage_that_the_run_gave(cli: str, scenario: str) -> None:
    got, said = replay(cli, scenario), SAID[cli][scenario]
    assert sum(event.name == "agent.tool" for event in got.events) == said["tools"]
    if said["came_to"] == TURNED:
        assert got.reading.message[:400] == said["message"]
        assert {key: getattr(got.reading.usage, key) for key in USED} == {key: said[key] for key in USED}


@pytest.mark.parametrize("cli", SAID)
def test_an_edit_shows_its_tools_its_last_words_and_what_it_used(cli: str) -> None:
    got, spec = replay(cli, "ok"), CATALOG[cli]
    assert spec.print
    if not got.reading.structured:
        return
    assert got.reading.message == "Done: add() in app.py now adds, and NOTES.md says hello."
    assert sum(event.name == "agent.tool" for event in got.events) >= 2
    assert not got.reading.open_tools
    if spec.print.resumes:
        assert got.reading.session_id


@pytest.mark.parametrize("cli", [cli for cli in SAID if (block := CATALOG[cli].print) and block.resumes])
def test_a_session_is_taken_up_by_its_id(cli: str) -> None:
    first, again = replay(cli, "ok").reading.session_id, replay(cli, "resume")
    assert first
    assert again.reading.session_id
    assert not refused_session(CATALOG[cli], again.reading)
