"""What a reviewer is asked, when, and how its answer is read."""

from __future__ import annotations

import pytest

from loopy.domain.agent import AgentKind
from loopy.domain.plan import Sized, SizeName
from loopy.domain.policy import Decision, Policy, Verb
from loopy.domain.review import Remark
from loopy.steps.review import answer, wanted

SMALL, LARGE = (Sized(size=size, points=1, reasons=()) for size in (SizeName.SMALL, SizeName.LARGE))
BOTH = (AgentKind.REVIEW, AgentKind.SECURITY)


@pytest.mark.parametrize(
    ("rule", "sized", "tier", "kinds"),
    [
        ("never", LARGE, 3, ()),
        ("risky", SMALL, 1, ()),
        ("risky", SMALL, 2, BOTH),
        ("risky", LARGE, 0, BOTH),
        ("always", SMALL, 0, (AgentKind.REVIEW,)),
        ("always", SMALL, 2, BOTH),
    ],
)
def test_size_and_risk_decide_who_is_asked(rule: str, sized: Sized, tier: int, kinds: tuple[AgentKind, ...]) -> None:
    policy = Policy.model_validate({"review": rule})
    assert wanted(policy, sized, Decision(verdict=Verb.ALLOW, tier=tier)) == kinds


GOOD = '{"verdict": "approve", "summary": "fine", "remarks": []}'


@pytest.mark.parametrize(
    "message",
    [
        f"I looked.\n```json\n{GOOD}\n```\n",
        f"```\n{GOOD}\n```",
        f"Well.\n{GOOD}",
        f'First I thought\n```json\n{{"verdict": "object"}}\n```\nbut then\n```json\n{GOOD}\n```',
        f"```json\n{{broken\n```\n```json\n{GOOD}\n```",
    ],
)
def test_the_last_verdict_of_a_message_counts(message: str) -> None:
    assert answer(message) == (True, "fine", ())


@pytest.mark.parametrize(
    "message",
    ["", "LGTM, approve", '{"verdict": "perhaps"}', "```json\n[1]\n```", '{"summary": "x"}', "{" * 5000, "null"],
)
def test_what_names_no_verdict_is_none(message: str) -> None:
    assert answer(message) is None


def test_remarks_are_taken_as_far_as_they_make_sense() -> None:
    rows = """[{"path": "a.py", "line": 3, "severity": "BLOCKER", "text": "wrong"}, {"line": -1, "text": "b"},
      {"line": true, "severity": "odd", "message": "c"}, "plain", {"path": "d"}, 7]"""
    found = answer(f'{{"verdict": "object", "remarks": {rows}}}')
    assert found is not None
    assert found[2] == (
        Remark(text="wrong", path="a.py", line=3, severity="blocker"),
        Remark(text="b"),
        Remark(text="c"),
        Remark(text="plain"),
        Remark(text="7"),
    )


def test_a_flood_of_remarks_is_bounded() -> None:
    many = ", ".join(f'{{"text": "{"x" * 3000}"}}' for _ in range(80))
    found = answer(f'{{"verdict": "object", "remarks": [{many}]}}')
    assert found is not None
    assert (len(found[2]), max(len(r.text) for r in found[2])) == (50, 2000)
