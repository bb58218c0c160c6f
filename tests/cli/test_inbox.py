"""What waits for a person, and the answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from loopy.bootstrap.services import Services
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait

from .support import House, end, file_and_start, put, wait_for_approval


def test_an_empty_inbox_says_so(settled: House) -> None:
    assert settled.loopy("inbox").out == "nothing needs you\n"
    assert settled.loopy("inbox", "--json").json == []


def test_an_approval_stands_there_with_the_command_that_answers_it(settled: House, made: Services) -> None:
    wait_for_approval(made, file_and_start(made, "Title", settled.repo), "Ship the change of LP-1.1?")
    said = settled.loopy("inbox")
    for words in ("approval", "LP-1.1", "Title", "Ship the change of LP-1.1?", "loopy approve LP-1.1"):
        assert words in said.out
    (matter,) = settled.loopy("inbox", "--json").json
    assert (matter["kind"], matter["run"], matter["binds_to"]) == ("approval", "LP-1.1", "a" * 64)


def test_a_question_stands_there_with_both_ways_on(settled: House, made: Services) -> None:
    run = file_and_start(made, "Title", settled.repo)
    put(made, run, "run.waiting", "may have been pushed", state=RunState.WAITING, wait=Wait.QUESTION)
    said = settled.loopy("inbox")
    assert "may have been pushed" in said.out
    assert "loopy resume LP-1.1\n" in said.out
    assert "loopy resume LP-1.1 --give-up" in said.out


def test_a_failed_dependency_stands_there_and_one_under_way_does_not(settled: House, made: Services) -> None:
    first = file_and_start(made, "first", settled.repo)
    settled.loopy("ticket", "add", "second", "--needs", "LP-1")
    settled.loopy("ticket", "start", "LP-2")
    assert settled.loopy("inbox", "--json").json == []
    end(made, first, Verdict.FAILED)
    (matter,) = settled.loopy("inbox", "--json").json
    assert matter["kind"] == "dependency"
    assert matter["commands"] == ["loopy ticket retry LP-1", "loopy ticket cancel LP-2"]


@pytest.mark.parametrize(("words", "decision"), [((), "approve"), (("--reject",), "reject")])
def test_an_answer_is_written_down_with_who_gave_it_and_why(
    settled: House, made: Services, words: tuple[str, ...], decision: str
) -> None:
    wait_for_approval(made, file_and_start(made, "Title", settled.repo))
    said = settled.loopy("approve", "1.1", *words, "--note", "read it", "--json")
    assert said.code == 0, said.err
    answer: dict[str, Any] = said.json["answer"]
    assert (answer["decision"], answer["by"], answer["note"]) == (decision, "ada", "read it")
    with made.graph.read() as tx:
        run = tx.runs.get("LP-1.1")
    assert run is not None
    assert run.state is RunState.READY
    assert run.verdict is (Verdict.PASSED if decision == "approve" else Verdict.REFUSED)


def test_the_second_answer_is_refused_and_names_the_first(settled: House, made: Services) -> None:
    wait_for_approval(made, file_and_start(made, "Title", settled.repo))
    settled.loopy("approve", "LP-1.1")
    said = settled.loopy("approve", "LP-1.1", "--reject")
    assert said.code == 2
    assert "approve by ada" in said.err


def test_a_ticket_stands_for_its_newest_run(settled: House, made: Services) -> None:
    wait_for_approval(made, file_and_start(made, "Title", settled.repo))
    assert "LP-1.1 approved" in settled.loopy("approve", "LP-1").out


def test_a_parked_run_is_resumed_or_given_up(settled: House, made: Services) -> None:
    run = put(
        made, file_and_start(made, "T", settled.repo), state=RunState.WAITING, wait=Wait.LIMIT, segment=Segment.FAILOVER,
        step=Step.FAILOVER,
    )  # fmt: skip
    assert settled.loopy("resume", run.id, "--json").json["state"] == "ready"
    put(made, run, state=RunState.WAITING, wait=Wait.QUESTION)
    given_up = settled.loopy("resume", run.id, "--give-up", "--json").json
    assert (given_up["verdict"], given_up["step"]) == ("ABORTED", "evidence")


def test_what_waits_for_nobody_is_not_resumed(settled: House, made: Services) -> None:
    file_and_start(made, "T", settled.repo)
    said = settled.loopy("resume", "LP-1.1")
    assert said.code == 2
    assert "waits for nobody" in said.err


def test_an_agent_that_only_a_person_can_mend_is_one_matter_whatever_runs_it_cost(
    settled: House, made: Services
) -> None:
    with made.graph.write() as tx:
        until = tx.now + timedelta(hours=1)
        tx.fleet.cool("worker", until, "auth: not logged in")
        tx.fleet.cool("other", until, "quota: usage limit")
        tx.fleet.cool("old", tx.now - timedelta(hours=1), "billing: no credit")
    found = settled.loopy("inbox", "--json").json
    assert [(m["kind"], m["run"], m["title"], m["commands"]) for m in found] == [
        ("agent", "worker", "worker: log the agent in again", ["loopy agents doctor worker"])
    ]
    assert "not logged in" in settled.loopy("inbox").out
