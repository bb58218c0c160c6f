"""A run told from its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import click
import pytest

from loopy.bootstrap.services import Services
from loopy.cli.follow import follow
from loopy.cli.live import LiveLine
from loopy.cli.show import Show
from loopy.cli.story import Line, Teller, laid_out, written
from loopy.domain.events import Event, StreamEvent
from loopy.domain.run import Claim, Run
from loopy.domain.states import RunState, Step, Verdict

from .support import House, end, file_and_start, put, wait_for_approval

BEGAN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Facts = Mapping[str, str | int | bool | None]


def event(n: int, name: str, step: str, text: str = "", facts: Facts | None = None, *, stream: bool = False) -> Event:
    at = BEGAN + timedelta(seconds=n)
    return Event(n, "LP-1.1", "LP-1", at, name, 1, step, text, facts or {}, None if stream else n)


def told(teller: Teller, *events: Event) -> list[str]:
    return [f"{found.label}|{found.text}" for each in events for found in teller.tell(each)]


def test_a_short_step_is_told_when_it_is_over_by_what_it_came_to() -> None:
    events = (event(1, "step.claimed", "plan"), event(2, "run.queued", "size", "3 acceptance items"))
    assert told(Teller(), *events) == ["plan|3 acceptance items"]


def test_a_long_step_is_announced_and_then_told() -> None:
    events = (event(1, "step.claimed", "code"), event(2, "run.queued", "check", "2 files changed"))
    assert told(Teller(), *events) == ["code|turn 1", "|2 files changed"]


def test_a_checks_line_has_its_verdict_tests_and_time() -> None:
    facts: Facts = {"passed": False, "tests": 24, "failed_tests": 3, "duration_ms": 1200}
    (line,) = Teller().tell(event(1, "check.finished", "check", "pytest: exit 1", facts, stream=True))
    assert (line.text, line.ink) == ("✗ pytest: exit 1 · 3 of 24 tests failed · 1s", "bad")


def test_one_test_is_one_test() -> None:
    facts: Facts = {"passed": True, "tests": 1, "duration_ms": 1200}
    (line,) = Teller().tell(event(1, "check.finished", "check", "pytest: passed", facts, stream=True))
    assert line.text == "✓ pytest: passed · 1 test · 1s"


def test_only_evidence_is_green() -> None:
    events = [
        event(1, "agent.message", "code", "All tests pass, I am done!", stream=True),
        event(2, "check.finished", "check", "pytest: passed", {"passed": True, "duration_ms": 10}, stream=True),
    ]
    inks = [line.ink for each in events for line in Teller().tell(each)]
    assert inks == ["plain", "good"]


def test_what_an_agent_prints_is_told_only_aloud() -> None:
    printed = event(1, "agent.output", "code", "noise", stream=True)
    assert told(Teller(), printed) == []
    assert told(Teller(loud=True), printed) == ["|  noise"]


def test_the_agents_last_words_are_its_messages_else_what_it_prints() -> None:
    teller = Teller()
    list(teller.tell(event(1, "agent.output", "code", "printed", stream=True)))
    assert teller.said == "printed"
    list(teller.tell(event(2, "agent.message", "code", "I think", stream=True)))
    list(teller.tell(event(3, "agent.output", "code", "noise", stream=True)))
    assert teller.said == "I think"


def test_words_of_an_agent_cannot_steer_the_terminal() -> None:
    evil = event(1, "agent.message", "code", "a\x1b[2Jb\u202ec\rd", stream=True)
    assert told(Teller(), evil) == ["|│ ab\ufffdc", "|│ d"]


def test_a_freed_run_says_that_the_step_is_done_again() -> None:
    events = (event(1, "step.claimed", "code"), event(2, "run.freed", "code", "its worker died"))
    assert told(Teller(), *events)[-1] == "freed|its worker died; code is done again"


def test_loopys_own_words_are_wrapped_and_an_agents_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    own = laid_out("    1s", Line(BEGAN, "waiting", "word " * 30, whole=True)).splitlines()
    cut = laid_out("    1s", Line(BEGAN, "", "word " * 30)).splitlines()
    assert len(own) > 2
    assert all(len(click.unstyle(row)) <= 60 for row in own)
    assert len(cut) == 1
    assert cut[0].endswith("…")


def test_a_line_begins_with_the_time_since_the_run_was_made() -> None:
    row = written(Line(BEGAN + timedelta(seconds=75), "code", "turn 1"), BEGAN)
    assert click.unstyle(row) == "  1m 15s  code      turn 1"


def test_following_ends_with_the_run_and_leaves_nothing_out(settled: House, made: Services) -> None:
    run = put(made, file_and_start(made, "x", settled.repo), "step.claimed", state=RunState.RUNNING, step=Step.CODE)
    with made.graph.write() as tx:
        tx.runs.stream(Claim(run, "w"), [StreamEvent("agent.message", str(n)) for n in range(1200)])
    end(made, run, Verdict.FAILED)
    looks = list(follow(made.graph, run.id, look_s=0.01))
    events = [event for look in looks for event in look.events]
    assert [e.text for e in events if e.name == "agent.message"] == [str(n) for n in range(1200)]
    assert events[-1].name == "run.ended"
    assert looks[-1].run.state is RunState.ENDED


def test_following_sees_what_is_written_meanwhile(settled: House, made: Services) -> None:
    run = file_and_start(made, "x", settled.repo)
    other = settled.made()
    names: list[str] = []
    meanwhile: list[Callable[[], Run]] = [lambda: put(other, run), lambda: end(other, run, Verdict.ABORTED)]
    acts = iter(meanwhile)
    for look in follow(made.graph, run.id, look_s=0.01):
        names += [event.name for event in look.events]
        if look.events and (act := next(acts, None)) is not None:
            act()
    other.graph.close()
    assert names[-2:] == ["run.put", "run.ended"]


def test_watch_replays_a_run_to_its_end(settled: House, made: Services) -> None:
    run = put(made, file_and_start(made, "Title", settled.repo), "step.claimed", state=RunState.RUNNING, step=Step.CODE)
    end(made, run, Verdict.FAILED, "checks_failed")
    said = settled.loopy("watch", "LP-1")
    assert said.code == 0
    assert said.rows[0] == "LP-1.1  Title"
    assert "no sandbox" in said.rows[1]
    assert "code      turn 1" in said.out
    assert "FAILED   checks failed: see the failing checks" in said.out
    assert "loopy ticket retry LP-1" in said.out


def test_watch_in_json_is_one_object_a_line_with_the_result_last(settled: House, made: Services) -> None:
    import json

    end(made, file_and_start(made, "Title", settled.repo), Verdict.FAILED, "no_change")
    objects = [json.loads(row) for row in settled.loopy("watch", "LP-1.1", "--json").rows]
    assert [o["name"] for o in objects] == ["run.created", "run.ended", "result"]
    assert (objects[-1]["verdict"], objects[-1]["reason"]) == ("FAILED", "no_change")


def test_a_run_that_stops_for_a_person_tells_the_very_command(
    settled: House, made: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = wait_for_approval(made, file_and_start(made, "Title", settled.repo))
    lines: list[str] = []
    live = LiveLine(on=False)
    monkeypatch.setattr(live, "above", lines.append)

    def answer(now: Run) -> None:
        if now.state is RunState.WAITING and any("loopy approve" in text for text in lines):
            with made.graph.read() as tx:
                fresh = tx.runs.get(now.id)
            if fresh is not None and fresh.version == now.version:
                end(made, run, Verdict.PASSED)

    Show(made, as_json=False, live=live).follow(run, meanwhile=answer)
    assert sum("loopy approve LP-1.1" in text for text in lines) == 1


@pytest.mark.parametrize(
    "words", [("watch", "LP-9.9"), ("evidence", "LP-9.9"), ("receipt", "nonsense"), ("watch", "LP-9")]
)
def test_a_run_that_is_not_there_is_named(settled: House, words: tuple[str, ...]) -> None:
    said = settled.loopy(*words)
    assert said.code == 2
    assert said.err.startswith("error: run: ")


def test_evidence_and_receipt_of_a_run_under_way_say_where_it_is(settled: House, made: Services) -> None:
    file_and_start(made, "Title", settled.repo)
    assert "has no evidence.md yet: it is at plan" in settled.loopy("evidence", "LP-1").err
    assert "has not ended" in settled.loopy("receipt", "LP-1").err
