"""Which agent takes the run, and why not the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopy.domain.agent import Agent, AgentKind
from loopy.domain.errors import ConfigError
from loopy.domain.plan import AppendTo, Dedicated, Routed, Sized, SizeName
from loopy.steps.route import AgentFacts, route
from tests.steps.repo_in_memory import ticket

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SMALL = Sized(size=SizeName.SMALL, points=1, reasons=())
LARGE = Sized(size=SizeName.LARGE, points=20, reasons=())


def facts(name: str, **more: object) -> AgentFacts:
    about = {k: more.pop(k) for k in ("kind", "fallback", "concurrency", "scripted", "account") if k in more}
    return AgentFacts(Agent.model_validate({"name": name, "cli": name} | about), **more)  # type: ignore[arg-type]


def routed(*candidates: AgentFacts, wanted: str = "", sized: Sized = SMALL, **more: object) -> Routed:
    return route(ticket("Fix it", "", **more), sized, candidates, wanted, NOW)


def why_not(found: Routed) -> dict[str, str]:
    return {candidate.agent: candidate.why_not for candidate in found.candidates}


def test_without_agents_the_way_to_add_one_is_told() -> None:
    with pytest.raises(ConfigError, match="loopy agent create"):
        routed()


def test_the_only_agent_takes_it() -> None:
    found = routed(facts("claude", account="team"))
    assert (found.agent, found.account, found.chain) == ("claude", "team", ())
    assert found.rule.startswith("only")
    assert isinstance(found.route, Dedicated)
    assert found.overridden_by == ""


def test_of_equals_the_first_in_the_operators_order_takes_it() -> None:
    assert routed(facts("zed"), facts("amp")).agent == "zed"


def test_the_idle_one_comes_before_the_busy_one() -> None:
    found = routed(facts("claude", busy=1), facts("codex"))
    assert found.agent == "codex"
    assert found.rule.startswith("score")
    assert [c.agent for c in found.candidates] == ["codex", "claude"]
    assert found.candidates[1].reasons[-1] == "10 below codex"
    assert why_not(found) == {"codex": "", "claude": ""}


def test_an_agent_at_work_on_the_repository_is_joined() -> None:
    found = routed(facts("codex"), facts("claude", loop="claude@app", busy=1, warm=True))
    assert found.agent == "claude"
    assert found.route == AppendTo(
        loop="claude@app", why="claude is at work on this repository, and its dependencies are ready"
    )


def test_a_large_ticket_and_an_urgent_one_get_runs_of_their_own() -> None:
    busy = facts("claude", loop="claude@app", busy=1)
    assert isinstance(routed(busy, sized=LARGE).route, Dedicated)
    assert isinstance(routed(busy, priority=0).route, Dedicated)
    assert isinstance(routed(busy).route, AppendTo)


def test_those_that_cannot_run_now_are_passed_over_with_the_reason() -> None:
    found = routed(
        facts("claude", cooling_until=NOW + timedelta(minutes=30)),
        facts("codex", healthy=False, health="not logged in"),
        facts("cursor", busy=2, concurrency=2),
        facts("gemini", barred="policy allows github.com/acme only"),
        facts("reviewer", kind=AgentKind.REVIEW),
        facts("amp", busy=1),
    )
    assert found.agent == "amp"
    assert why_not(found) == {
        "amp": "",
        "claude": "is cooling until 2026-11-22 12:30 UTC",
        "codex": "is not usable: not logged in",
        "cursor": "is full: 2 of 2",
        "gemini": "is barred: policy allows github.com/acme only",
        "reviewer": "is for review: it reviews and changes nothing",
    }


def test_a_cooldown_that_is_over_counts_no_more() -> None:
    assert why_not(routed(facts("claude", cooling_until=NOW))) == {"claude": ""}


def test_when_nobody_can_run_now_the_soonest_is_chosen() -> None:
    late, soon = NOW + timedelta(hours=5), NOW + timedelta(minutes=5)
    cooling = [facts("claude", cooling_until=late), facts("codex", cooling_until=soon), facts("amp", healthy=False)]
    found = routed(*cooling)
    assert found.agent == "codex"
    assert found.rule.startswith("soonest")
    assert routed(*cooling, facts("cursor", busy=2)).agent == "cursor"
    assert routed(facts("amp", healthy=False)).agent == "amp"


def test_when_policy_bars_everybody_it_is_told() -> None:
    with pytest.raises(ConfigError, match="claude is barred: no; rev is for review"):
        routed(facts("claude", barred="no"), facts("rev", kind=AgentKind.REVIEW))


def test_the_assignee_takes_it_even_when_it_cannot_run_now() -> None:
    cooling = facts("codex", cooling_until=NOW + timedelta(hours=1), fallback=("claude", "gone", "codex", "claude"))
    found = routed(facts("claude"), cooling, assignee="codex")
    assert (found.agent, found.chain) == ("codex", ("claude",))
    assert found.rule.startswith("assigned")
    assert found.candidates[0].why_not.startswith("is cooling")


def test_a_persons_wish_comes_before_the_assignee_and_is_recorded() -> None:
    found = routed(facts("claude"), facts("codex"), wanted="codex", assignee="claude")
    assert (found.agent, found.overridden_by) == ("codex", "a person")
    assert found.rule.startswith("wanted")
    named = route(ticket("x"), SMALL, [facts("claude"), facts("codex")], "codex", NOW, wanted_by="ada")
    assert named.overridden_by == "ada"


def test_a_reviewer_is_taken_when_it_is_asked_for() -> None:
    assert routed(facts("claude"), facts("rev", kind=AgentKind.REVIEW), assignee="rev").agent == "rev"


def test_a_ticket_of_a_person_is_routed_by_score() -> None:
    assert routed(facts("claude"), assignee="person:ada").agent == "claude"


@pytest.mark.parametrize("how", ["wanted", "assignee"])
def test_a_name_that_nobody_has_gets_a_suggestion(how: str) -> None:
    asked = {how: "cladue"}
    with pytest.raises(ConfigError, match="did you mean 'claude'"):
        routed(facts("claude"), facts("amp"), **asked)  # type: ignore[arg-type]


def test_not_even_a_person_can_ask_for_what_policy_bars() -> None:
    with pytest.raises(ConfigError, match="may not work here: other repositories only"):
        routed(facts("claude", barred="other repositories only"), wanted="claude")


@pytest.mark.parametrize(("label", "agent"), [("docs", "scribe"), ("Testing", "tester"), ("bug", "coder")])
def test_a_label_prefers_the_agent_for_that_kind_of_work(label: str, agent: str) -> None:
    fleet = (facts("scribe", kind=AgentKind.DOCS), facts("tester", kind=AgentKind.TEST), facts("coder"))
    assert routed(*fleet, labels=(label,)).agent == agent


def test_a_stand_in_yields_to_a_real_agent() -> None:
    assert routed(facts("demo", scripted=True), facts("claude", busy=1)).agent == "claude"
