"""The board: a status for each ticket, derived; what needs a person first."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from loopy.bootstrap.services import Services
from loopy.cli.status import status_of
from loopy.domain.run import Run
from loopy.domain.states import RunState, Step, Verdict, Wait
from loopy.engine.books import Worker
from loopy.process.alive import hold
from loopy.store import board
from tests.support.boxes import before, broken, needs_bwrap

from .support import House, end, file_and_start, put, wait_for_approval

HOUR = datetime.now(UTC) + timedelta(hours=2, minutes=30)

STATES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "ready", "plan"),
    ({"state": RunState.QUEUED, "step": Step.CODE, "agent": "worker"}, "queued", "code · worker"),
    ({"state": RunState.RUNNING, "step": Step.CODE, "agent": "worker", "turn": 2}, "running", "code · worker · turn 2"),
    ({"state": RunState.RUNNING, "step": Step.CHECK, "cancel": True}, "cancelling", "check"),
    ({"state": RunState.WAITING, "wait": Wait.LIMIT, "wake_at": HOUR}, "waiting", "limit · 2h "),
    ({"state": RunState.WAITING, "wait": Wait.DEPENDENCY}, "waiting", "dependency"),
    ({"state": RunState.WAITING, "wait": Wait.APPROVAL}, "needs approval", ""),
    ({"state": RunState.WAITING, "wait": Wait.QUESTION}, "needs an answer", ""),
    ({"state": RunState.ENDED, "verdict": Verdict.PASSED}, "shipped", ""),
    ({"state": RunState.ENDED, "verdict": Verdict.FAILED, "reason": "checks_failed"}, "failed", "checks failed"),
    ({"state": RunState.ENDED, "verdict": Verdict.REFUSED, "reason": "policy_refused"}, "refused", "policy refused"),
    ({"state": RunState.ENDED, "verdict": Verdict.ABORTED, "reason": "cancelled"}, "aborted", "cancelled"),
]


@pytest.mark.parametrize(("changes", "word", "why"), STATES, ids=lambda value: value if isinstance(value, str) else "")
def test_each_state_of_a_run_has_its_word_and_its_why(
    settled: House, made: Services, changes: dict[str, Any], word: str, why: str
) -> None:
    run = file_and_start(made, "Title", settled.repo)
    if changes:
        put(made, run, **changes)
    (found,) = settled.loopy("board", "--json").json["tickets"]
    assert found["status"] == word
    assert found["why"].startswith(why)
    assert f"{word} " in settled.loopy("board").out


HINT = "no worker is up: `loopy up`"


@pytest.mark.parametrize(
    ("changes", "hinted"),
    [
        ({}, True),
        ({"state": RunState.RUNNING, "step": Step.CODE}, True),
        ({"state": RunState.WAITING, "wait": Wait.LIMIT, "wake_at": HOUR}, True),
        ({"state": RunState.WAITING, "wait": Wait.QUESTION}, False),
        ({"state": RunState.WAITING, "wait": Wait.APPROVAL}, False),
        ({"state": RunState.ENDED, "verdict": Verdict.PASSED}, False),
    ],
)
def test_work_that_nobody_is_there_to_do_is_said_on_the_board_and_beside_new_tickets(
    settled: House, made: Services, changes: dict[str, Any], hinted: bool
) -> None:
    run = file_and_start(made, "Title", settled.repo)
    if changes:
        put(made, run, **changes)
    assert (HINT in settled.loopy("board").rows) is hinted
    assert settled.loopy("board", "--json").json["hint"] == (HINT if hinted else "")
    said = settled.loopy("ticket", "add", "x")
    assert (HINT in said.err) is hinted
    assert HINT not in said.out
    assert (HINT in settled.loopy("ticket", "assign", "LP-2", "worker").err) is hinted
    for words in (("add", "y"), ("assign", "LP-2", "worker")):
        again = settled.loopy("ticket", *words, "--json")
        assert again.json["hint"] == (HINT if hinted else "")
        assert again.err == ""


def test_where_a_worker_is_up_nothing_is_hinted(settled: House, made: Services) -> None:
    file_and_start(made, "Title", settled.repo)
    assert HINT in settled.loopy("board").rows
    lock = hold(settled.home / "alive", "w1")
    with made.graph.write() as tx:
        tx.fleet.add_worker(Worker("w1", socket.gethostname(), os.getpid(), tx.now, ("code",), "0.1.0"))
    assert HINT not in settled.loopy("board").out
    lock.release()
    assert HINT in settled.loopy("board").rows


def test_a_ticket_without_a_run_is_open_until_it_is_closed(settled: House) -> None:
    settled.loopy("ticket", "add", "x", "--person", "ada")
    assert settled.loopy("board", "--json").json["tickets"][0]["status"] == "open"
    settled.loopy("ticket", "close", "LP-1")
    assert settled.loopy("board", "--json").json["tickets"][0]["status"] == "closed"


def test_a_failed_ticket_that_was_closed_by_hand_is_closed(settled: House, made: Services) -> None:
    end(made, file_and_start(made, "Title", settled.repo), Verdict.FAILED)
    settled.loopy("ticket", "close", "LP-1")
    assert settled.loopy("board", "--json").json["tickets"][0]["status"] == "closed"


def test_what_needs_a_person_comes_first_and_what_is_over_last(settled: House, made: Services) -> None:
    runs = [file_and_start(made, f"T{n}", settled.repo) for n in range(4)]
    end(made, runs[3], Verdict.PASSED)
    put(made, runs[1], state=RunState.RUNNING, step=Step.CODE)
    wait_for_approval(made, runs[0])
    rows = settled.loopy("board").rows
    order = [next(word for word in row.split() if word.startswith("LP-")) for row in rows[:4]]
    assert order == ["LP-1.1", "LP-2.1", "LP-3.1", "LP-4.1"]


def test_the_board_says_aloud_that_there_is_no_sandbox(settled: House) -> None:
    said = settled.loopy("board", env={"FORCE_COLOR": "1"})
    assert "\x1b[31m\x1b[1mno sandbox" in said.out
    assert settled.loopy("board", "--json").json["sandbox"] == "none"


@needs_bwrap
def test_the_board_says_that_the_network_is_open(house: House) -> None:
    house.settle("")
    assert "files and processes are boxed in, the network is open" in house.loopy("board").rows[-1]
    told = house.loopy("board", "--json").json
    assert (told["sandbox"], told["network"]) == ("fs-only", "unrestricted")


def test_the_board_says_aloud_that_nothing_is_started(house: House, tmp_path: Path) -> None:
    house.settle("")
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    assert house.loopy("board").rows[-1] == "no sandbox works here, so no run is started: `loopy doctor`"


def test_only_the_newest_of_what_is_over_is_shown_unless_all_is_asked_for(settled: House, made: Services) -> None:
    for n in range(12):
        end(made, file_and_start(made, f"T{n}", settled.repo), Verdict.PASSED)
    said = settled.loopy("board")
    assert sum("LP-" in row for row in said.rows) == 10
    assert "2 more: loopy board --all" in said.out
    assert sum("LP-" in row for row in settled.loopy("board", "--all").rows) == 12


def test_an_empty_board_says_how_to_begin(settled: House) -> None:
    assert "loopy run" in settled.loopy("board").out


def test_an_old_ticket_that_is_under_way_is_shown_however_many_came_later(settled: House, made: Services) -> None:
    file_and_start(made, "Old", settled.repo)
    for n in range(3):
        end(made, file_and_start(made, f"T{n}", settled.repo), Verdict.PASSED)
    with made.graph.read() as tx:
        assert [card.ticket.id for card in board.cards(tx, limit=1)] == ["LP-4", "LP-1"]


def test_a_card_has_the_newest_run_its_latest_move_and_the_last_words_of_its_stream(
    settled: House, made: Services
) -> None:
    from loopy.domain.events import StreamEvent
    from loopy.domain.run import Claim

    end(made, file_and_start(made, "x", settled.repo), Verdict.FAILED)
    run = made.intake.retry("LP-1", "tester")
    run = put(made, run, "step.claimed", "began", state=RunState.RUNNING, step=Step.CODE, token=1)
    with made.graph.write() as tx:
        tx.runs.stream(Claim(run, "w"), [StreamEvent("agent.message", "first"), StreamEvent("agent.message", "last")])
    with made.graph.read() as tx:
        card = board.card(tx, "LP-1")
        assert board.counts(tx) == {s: int(s is RunState.RUNNING) for s in board.LIVE}
    assert card is not None
    assert card.run is not None
    assert card.moved is not None
    assert card.said is not None
    assert (card.run.id, card.moved.name, card.said.text) == ("LP-1.2", "step.claimed", "last")


def test_a_dependency_that_will_not_be_done_by_itself_is_a_dead_end(settled: House, made: Services) -> None:
    first, second = (file_and_start(made, name, settled.repo) for name in ("a", "b"))
    settled.loopy("ticket", "add", "c", "--needs", "LP-1", "--needs", "LP-2")
    end(made, first, Verdict.FAILED)
    with made.graph.read() as tx:
        ticket = tx.tickets.get("LP-3")
        assert ticket is not None
        assert board.dead_ends(tx, ticket) == ["LP-1"]
    end(made, second, Verdict.PASSED)
    made.intake.retry("LP-1", "tester")
    with made.graph.read() as tx:
        assert board.dead_ends(tx, ticket) == []


def test_counting_live_runs_reads_only_the_indexes_of_live_rows(made: Services) -> None:
    with made.graph.read() as tx:
        for state in board.LIVE:
            plan = tx.connection.execute(text(f"EXPLAIN QUERY PLAN SELECT count(*) FROM run WHERE state = '{state}'"))
            assert f"ix_run_{state}" in " ".join(str(row) for row in plan)
        compiled = str(board._tickets_in(RunState.WAITING).compile(compile_kwargs={"literal_binds": True}))
    assert "run.state = 'waiting'" in compiled


def test_a_status_is_a_function_of_the_card_and_the_time(made: Services, settled: House) -> None:
    run = put(made, file_and_start(made, "x", settled.repo), state=RunState.RUNNING, step=Step.CODE)
    with made.graph.read() as tx:
        card = board.card(tx, run.ticket)
    assert card is not None
    assert card.moved is not None
    assert isinstance(card.run, Run)
    assert status_of(card, card.moved.at + timedelta(seconds=75)).why == "code · 1m 15s"
