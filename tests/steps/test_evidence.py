"""The evidence pack's page and JSON: what it cost, who was considered, and sentences that a person would write."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from loopy.domain.agent import Usage
from loopy.domain.change import Change, Entry
from loopy.domain.check import CheckReport
from loopy.domain.counted import counted
from loopy.domain.evidence import AttemptRecord, EvidencePack, TurnRecord
from loopy.domain.failures import Failure
from loopy.domain.plan import Candidate, Dedicated, Routed
from loopy.domain.review import Remark, Review
from loopy.domain.states import Verdict
from loopy.steps.evidence import as_json, as_markdown

THEN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IDS = {"old_mode": "100644", "new_mode": "100644", "old_id": "a" * 40, "new_id": "b" * 40}


def pack(**said: Any) -> EvidencePack:
    facts: dict[str, Any] = {
        "run": "LP-1.1", "ticket": "LP-1", "title": "Title", "repo": "/r", "source": "cli", "source_trust": "owner",
        "verdict": Verdict.PASSED, "started_at": THEN, "packed_at": THEN,
    }  # fmt: skip
    return EvidencePack(**(facts | said))


def turn(n: int, agent: str = "claude", **usage: int) -> TurnRecord:
    return TurnRecord(n=n, agent=agent, transcript=f"turn-{n}.log", usage=Usage(**usage))


def attempt(failure: Failure, **said: Any) -> AttemptRecord:
    return AttemptRecord(**{"at": THEN, "turn": 1, "step": "code", "failure": failure, "agent": "fixer"} | said)


def routed(rule: str, *candidates: Candidate) -> Routed:
    return Routed(
        agent=candidates[0].agent,
        account="a",
        chain=(),
        route=Dedicated(why="no loop"),
        rule=rule,
        candidates=candidates,
    )


def section(page: str, title: str) -> str:
    return next((part for part in page.split("## ") if part.startswith(title)), "")


@pytest.mark.parametrize(("number", "said"), [(0, "0 checks"), (1, "1 check"), (2, "2 checks"), (1200, "1,200 checks")])
def test_one_thing_is_not_many(number: int, said: str) -> None:
    assert counted(number, "check") == said


def test_a_noun_without_an_s_names_its_own_plural() -> None:
    assert (counted(1, "try", "tries"), counted(3, "try", "tries")) == ("1 try", "3 tries")


def test_each_turn_says_its_tokens_and_cost_and_the_page_their_sum() -> None:
    turns = (
        turn(1, input_tokens=1200, output_tokens=340, cost_micros=20_000),
        turn(2, input_tokens=800, output_tokens=1, cost_micros=2_500_000),
    )
    page = as_markdown(pack(turns=turns))
    assert "Usage: 1,200 tokens in, 340 tokens out · $0.0200" in section(page, "Turn 1")
    assert "Usage: 800 tokens in, 1 token out · $2.50" in section(page, "Turn 2")
    assert "All turns: 2,000 tokens in, 341 tokens out · $2.52" in section(page, "Usage and cost")
    assert "only" not in section(page, "Usage and cost")


def test_what_no_agent_reports_is_not_reported_and_never_nothing() -> None:
    page = as_markdown(pack(turns=(turn(1),)))
    assert "Usage: not reported by the agent" in section(page, "Turn 1")
    assert "All turns: not reported by the agent" in section(page, "Usage and cost")
    assert "$" not in page


def test_a_sum_that_lacks_some_turns_says_how_many_it_has() -> None:
    turns = (turn(1, input_tokens=10, output_tokens=5), turn(2), turn(3, input_tokens=1, cost_micros=0))
    usage = section(as_markdown(pack(turns=turns)), "Usage and cost")
    assert "11 tokens in, 5 tokens out · $0.00" in usage
    assert "Tokens of 2 of 3 turns only" in usage
    assert "Cost of 1 of 3 turns only" in usage


def reviewed(told: TurnRecord, *usages: Usage) -> TurnRecord:
    reviews = tuple(Review(agent="judge", kind="review", approved=True, usage=usage) for usage in usages)
    return told.model_copy(update={"report": CheckReport(tree="t", results=(), reviews=reviews)})


def test_the_sum_holds_what_reviews_consumed() -> None:
    told = reviewed(
        turn(1, input_tokens=10, output_tokens=5, cost_micros=200_000), Usage(input_tokens=7, output_tokens=1)
    )
    facts = pack(turns=(told, reviewed(turn(2, input_tokens=1), Usage())))
    usage = section(as_markdown(facts), "Usage and cost")
    assert "All turns and reviews: 18 tokens in, 6 tokens out · $0.20" in usage
    assert "Tokens of 1 of 2 reviews only" in usage
    assert "Tokens of 2" not in usage
    assert "Cost of 1 of 2 turns only" in usage
    assert "Cost of 0 of 2 reviews only" in usage
    said = json.loads(as_json(facts))["usage"]
    assert (said["input_tokens"], said["turns"], said["reviews"], said["reviews_with_tokens"]) == (18, 2, 2, 1)
    assert (said["reviews_with_cost"], said["cost_micros"]) == (0, 200_000)


def test_the_page_says_that_tries_without_an_outcome_are_not_in_the_sum() -> None:
    words = "tries without an outcome"
    stated, silent = (turn(1, cost_micros=5),), (turn(1),)
    assert words in as_markdown(pack(turns=stated, attempts=(attempt(Failure.QUOTA),)))
    assert words not in as_markdown(pack(turns=stated))
    assert words not in as_markdown(pack(turns=silent, attempts=(attempt(Failure.QUOTA),)))


def test_a_rebase_is_no_turn_of_an_agent_and_counts_for_nothing() -> None:
    rebase = TurnRecord(n=2, agent="loopy", message="rebased by Loopy")
    facts = pack(turns=(turn(1, input_tokens=3), rebase))
    assert "Usage:" not in section(as_markdown(facts), "Turn 2")
    assert json.loads(as_json(facts))["usage"]["turns"] == 1


def test_the_json_has_the_sum_and_who_reported() -> None:
    turns = (turn(1, input_tokens=10, output_tokens=5, cost_micros=7), turn(2))
    assert json.loads(as_json(pack(turns=turns)))["usage"] == {
        "turns": 2, "turns_with_tokens": 1, "turns_with_cost": 1,
        "reviews": 0, "reviews_with_tokens": 0, "reviews_with_cost": 0,
        "input_tokens": 10, "output_tokens": 5, "cost_micros": 7,
    }  # fmt: skip
    silent = json.loads(as_json(pack(turns=(turn(1),))))["usage"]
    assert (silent["input_tokens"], silent["cost_micros"]) == (None, None)


def test_the_json_beside_the_sum_is_the_pack() -> None:
    facts = pack(turns=(turn(1, input_tokens=10),), title="Ümlaut 漢字")
    said = json.loads(as_json(facts))
    del said["usage"]
    assert EvidencePack.model_validate(said) == facts


def test_the_route_lists_the_chosen_one_first_and_each_other_with_its_why_not() -> None:
    route = routed(
        "score: the best of those that can take it",
        Candidate(agent="claude", score=55, reasons=("+40: is for code work", "+15: is warm")),
        Candidate(agent="gemini", score=40, reasons=("+40: is for code work", "15 below claude")),
        Candidate(agent="twin", score=55, reasons=("+40: is for code work",)),
        Candidate(agent="codex", score=40, why_not="is cooling until 2026-11-22 13:00 UTC"),
    )
    lines = [row for row in section(as_markdown(pack(route=route)), "Route").splitlines() if row.startswith("- ")]
    assert lines == [
        "- **claude**: score 55 (+40: is for code work; +15: is warm)",
        "- gemini: not taken: 15 below claude; score 40 (+40: is for code work)",
        "- twin: not taken: equal to claude, which comes first in the order; score 55 (+40: is for code work)",
        "- codex: not taken: it is cooling until 2026-11-22 13:00 UTC; score 40",
    ]


def test_where_a_person_chose_that_is_why_the_others_were_not_taken() -> None:
    better = Candidate(agent="tidier", score=90)
    asked = routed("wanted: a person asked for this agent", Candidate(agent="fixer", score=0), better)
    assert "tidier: not taken: a person asked for fixer; score 90" in as_markdown(pack(route=asked))
    named = routed("assigned: the ticket names this agent", Candidate(agent="fixer", score=0), better)
    assert "tidier: not taken: the ticket names fixer; score 90" in as_markdown(pack(route=named))


def test_agents_that_are_not_installed_are_one_line_but_a_logged_out_one_is_named() -> None:
    gone = [
        Candidate(agent=name, score=40, why_not=f"is not usable: {name}: no program `{name}` on the PATH; install it")
        for name in ("codex", "gemini")
    ]
    out = Candidate(agent="opencode", score=40, why_not="is not usable: not logged in: opencode auth login")
    page = as_markdown(pack(route=routed("only: no other", Candidate(agent="claude", score=40), *gone, out)))
    assert "- 2 other agents are not installed here" in page
    assert "codex" not in page
    assert "- opencode: not taken: it is not usable: not logged in: opencode auth login" in page


def test_a_chosen_agent_that_cannot_run_now_is_named_with_the_reason_even_when_it_is_not_installed() -> None:
    chosen = Candidate(agent="codex", score=40, why_not="is not usable: Codex: no program `codex` on the PATH")
    page = as_markdown(pack(route=routed("wanted: a person", chosen)))
    assert "- **codex**: score 40; at that moment it is not usable: Codex: no program `codex`" in page


def test_an_attempt_is_a_sentence() -> None:
    tries = (
        attempt(Failure.WORKER_LOST, detail="its worker died"),
        attempt(Failure.QUOTA, to_agent="finisher"),
    )
    page = section(as_markdown(pack(attempts=tries)), "Attempts")
    assert "- turn 1, code: worker_lost on fixer: its worker died" in page
    assert "- turn 1, code: quota on fixer → finisher\n" in page


def test_one_file_is_one_file() -> None:
    one = Change(
        base="c" * 40, tree="d" * 40, digest="e" * 64, entries=(Entry(path="a", status="M", added=1, deleted=2, **IDS),)
    )
    page = as_markdown(pack(turns=(TurnRecord(n=1, agent="a", change=one),)))
    assert "Change: 1 file, +1 −2" in page


def test_a_review_stands_with_its_turn_and_what_it_cost_and_so_does_one_that_is_missing() -> None:
    remark = Remark(text="close\nthe file", path="a.py", line=2, severity="blocker")
    review = Review(agent="judge", kind="security", approved=False, summary="leaks", remarks=(remark,))
    report = CheckReport(tree="t", results=(), reviews=(review,), unreviewed=("review: deputy cools",))
    page = as_markdown(pack(turns=(turn(1).model_copy(update={"report": report}),)))
    assert (
        "Security by judge: **objects** · usage: not reported by the agent\n\n> leaks\n\n- blocker `a.py:2`: close the file"
        in page
    )
    assert "Not reviewed: review: deputy cools" in page
