"""Tickets at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopy.bootstrap.services import Services
from loopy.domain.states import Verdict
from tests.support.boxes import FORBIDDEN, before, broken

from .support import House, end, file_and_start


def test_a_ticket_is_filed_with_all_that_was_said(settled: House) -> None:
    assert settled.loopy("ticket", "add", "First").code == 0
    said = settled.loopy(
        "ticket", "add", "Second", "--body", "-", "--agent", "worker", "--priority", "0",
        "--label", "bug", "--label", "ui", "--needs", "lp-1", "--json", stdin="more words\n",
    )  # fmt: skip
    assert said.code == 0, said.err
    ticket = said.json
    assert (ticket["id"], ticket["title"], ticket["body"]) == ("LP-2", "Second", "more words\n")
    assert (ticket["assignee"], ticket["priority"], ticket["labels"]) == ("worker", 0, ["bug", "ui"])
    assert ticket["depends_on"] == ["LP-1"]
    assert ticket["repo"] == str(settled.repo)


def test_a_folder_in_a_repository_becomes_its_absolute_top(settled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    (settled.repo / "deep").mkdir()
    monkeypatch.chdir(settled.repo / "deep")
    assert settled.loopy("ticket", "add", "x", "--repo", ".", "--json").json["repo"] == str(settled.repo)


def test_a_url_stays_a_url(settled: House) -> None:
    url = "https://git.example.org/a/b.git"
    assert settled.loopy("ticket", "add", "x", "--repo", url, "--json").json["repo"] == url
    assert settled.loopy("ticket", "add", "x", "--repo", "git@git.example.org:a/b.git", "--json").code == 0


@pytest.mark.parametrize("repo", ["/", "/nowhere/at/all", "ext::sh -c id", "ftp://git.example.org/a"])
def test_what_is_no_repository_is_refused(settled: House, repo: str) -> None:
    said = settled.loopy("ticket", "add", "x", "--repo", repo)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert settled.loopy("ticket", "list", "--json").json == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("",), "a ticket needs a title"),
        (("x", "--agent", "wrker"), "did you mean 'worker'?"),
        (("x", "--agent", "worker", "--person", "ada"), "either an agent's or a person's"),
        (("x", "--needs", "LP-7"), "there is no ticket LP-7"),
        (("x", "--needs", "seven"), "is not a ticket id"),
        (("x", "--priority", "9"), "priority"),
    ],
)
def test_what_cannot_be_filed_is_refused_with_a_reason(settled: House, words: tuple[str, ...], complaint: str) -> None:
    said = settled.loopy("ticket", "add", *words)
    assert said.code == 2
    assert complaint in said.err


def test_the_list_shows_open_tickets_and_with_all_the_closed_ones(settled: House) -> None:
    settled.loopy("ticket", "add", "Stays", "--person", "ada")
    settled.loopy("ticket", "add", "Goes", "--person", "ada")
    assert settled.loopy("ticket", "close", "LP-2", "--note", "by hand").code == 0
    assert [t["id"] for t in settled.loopy("ticket", "list", "--json").json] == ["LP-1"]
    assert [t["id"] for t in settled.loopy("ticket", "list", "--all", "--json").json] == ["LP-2", "LP-1"]
    assert "Goes" not in settled.loopy("ticket", "list").out


def test_a_ticket_is_shown_with_its_comments_and_runs(settled: House, made: Services) -> None:
    run = file_and_start(made, "Title", settled.repo, body="The body.")
    end(made, run, Verdict.FAILED, "checks_failed")
    settled.loopy("ticket", "close", "LP-1", "--note", "did it myself")
    said = settled.loopy("ticket", "show", "LP-1")
    for words in ("LP-1  Title", "The body.", "ada: did it myself", "LP-1.1", "FAILED"):
        assert words in said.out
    facts = settled.loopy("ticket", "show", "1", "--json").json
    assert facts["status"] == "closed"
    assert facts["runs"][0]["verdict"] == "FAILED"
    assert facts["comments"][0]["text"] == "did it myself"


def test_a_title_cannot_steer_the_terminal(settled: House) -> None:
    settled.loopy("ticket", "add", "evil \x1b[2J\x1b]52;c;eA==\x07 title", "--body", "\x1b[31m body \u202e")
    for words in (("ticket", "list"), ("ticket", "show", "LP-1"), ("board",)):
        said = settled.loopy(*words, env={"NO_COLOR": "1"})
        assert "evil" in said.out
        assert "\x1b" not in said.out
        assert "\u202e" not in said.out


def test_starting_without_a_worker_says_so_and_how_to_watch(settled: House) -> None:
    settled.loopy("ticket", "add", "x")
    said = settled.loopy("ticket", "start", "LP-1")
    assert said.code == 0
    assert "LP-1.1  ready" in said.out
    assert "no worker is up" in said.out
    assert "loopy watch LP-1.1" in said.out


def test_a_second_start_is_refused_while_the_first_run_is_under_way(settled: House) -> None:
    settled.loopy("ticket", "add", "x")
    settled.loopy("ticket", "start", "LP-1")
    said = settled.loopy("ticket", "start", "LP-1")
    assert said.code == 2
    assert "LP-1.1 is under way" in said.err


def test_nothing_starts_where_nobody_could_work(house: House) -> None:
    house.settle('[policy]\nsandbox = "none"\n')
    house.loopy("ticket", "add", "x")
    said = house.loopy("ticket", "start", "LP-1")
    assert said.code == 2
    assert "loopy agent create" in said.err


def test_nothing_starts_without_the_sandbox_that_the_policy_asks_for(house: House, tmp_path: Path) -> None:
    house.settle('[agents.worker]\ncli = "command"\nargv = ["true"]\n')
    house.env["PATH"] = before(broken(tmp_path / "bin"))
    house.loopy("ticket", "add", "x")
    said = house.loopy("ticket", "start", "LP-1")
    assert said.code == 2
    assert 'sandbox = "none"' in said.err
    assert FORBIDDEN in said.err
    assert house.loopy("board", "--json").json["tickets"][0]["run"] is None


def test_assigning_closing_cancelling_and_retrying_go_through(settled: House, made: Services) -> None:
    settled.loopy("ticket", "add", "x")
    assert settled.loopy("ticket", "assign", "LP-1", "worker", "--json").json["assignee"] == "worker"
    assert settled.loopy("ticket", "assign", "LP-1", "nobody").code == 2
    settled.loopy("ticket", "start", "LP-1")
    cancelled = settled.loopy("ticket", "cancel", "LP-1", "--json").json
    assert cancelled["resolution"] == "cancelled"
    assert cancelled["stopping"][0]["id"] == "LP-1.1"
    with made.graph.read() as tx:
        run = tx.runs.get("LP-1.1")
    assert run is not None
    end(made, run, Verdict.ABORTED)
    assert settled.loopy("ticket", "retry", "LP-1", "--json").json["id"] == "LP-1.2"


def test_a_persons_ticket_is_not_started(settled: House) -> None:
    settled.loopy("ticket", "add", "x", "--person", "ada")
    said = settled.loopy("ticket", "start", "LP-1")
    assert said.code == 2
    assert "loopy ticket assign LP-1" in said.err


def test_run_detached_files_starts_and_comes_back(settled: House) -> None:
    said = settled.loopy("run", "Do it", "--detach", "--agent", "worker", "--json")
    assert said.code == 0, said.err
    assert said.json["id"] == "LP-1.1"
    assert settled.loopy("ticket", "show", "LP-1", "--json").json["assignee"] == "worker"


def test_run_files_nothing_when_the_agent_is_unknown(settled: House) -> None:
    assert settled.loopy("run", "Do it", "--agent", "nobody").code == 2
    assert settled.loopy("ticket", "list", "--json").json == []
