"""Small, medium or large, with reasons."""

from __future__ import annotations

import pytest

from loopy.domain.plan import Plan, SizeName
from loopy.steps.size import size
from tests.steps.repo_in_memory import ticket


def items(n: int) -> tuple[str, ...]:
    return tuple(f"item {k}" for k in range(n))


def test_a_short_ticket_with_one_file_is_small() -> None:
    sized = size(ticket("Fix Cart.total"), Plan(goal="x", files=("shop/cart.py",)))
    assert (sized.size, sized.points) == (SizeName.SMALL, 0)
    assert sized.reasons == ("nothing makes it larger than small",)


def test_a_ticket_with_many_items_in_several_places_is_medium() -> None:
    plan = Plan(goal="x", acceptance=items(6), files=("a/b/c.py", "d/e.py", "f/g.py"), risks=("may touch money: a",))
    sized = size(ticket("Add coupons", "word " * 160), plan)
    assert sized.size is SizeName.MEDIUM
    assert sized.reasons == (
        "+3: 6 acceptance items",
        "+1: likely files in 3 places (a/b, d, f)",
        "+1: 160 words",
        "+1: 1 risk of what it touches or asks",
    )
    assert sized.points == 6


def test_a_rewrite_is_large() -> None:
    plan = Plan(goal="x", acceptance=items(4), files=("a/b.py", "c/d.py"), risks=("the ticket asks for a rewrite: …",))
    sized = size(ticket("Rewrite the parser from scratch"), plan)
    assert sized.size is SizeName.LARGE
    assert "+6: it says 'Rewrite'" in sized.reasons


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("size/L", SizeName.LARGE),
        ("size: small", SizeName.SMALL),
        ("epic", SizeName.LARGE),
        ("size/M", SizeName.MEDIUM),
    ],
)
def test_a_label_decides_alone(label: str, expected: SizeName) -> None:
    sized = size(ticket("Rewrite everything", labels=("bug", label)), Plan(goal="x", acceptance=items(20)))
    assert sized.size is expected
    assert sized.reasons == (f"the label '{label}' says so",)


def test_a_one_letter_label_is_no_size() -> None:
    assert size(ticket("Fix it in C", labels=("s",)), Plan(goal="x", files=("a.c",))).reasons[0].startswith("nothing")


def test_a_typo_is_small_however_much_is_written_about_it() -> None:
    sized = size(ticket("Fix a typo", "word " * 500), Plan(goal="x", files=("a.md",)))
    assert sized.size is SizeName.SMALL
    assert sized.points == 1


def test_each_reason_carries_the_points_it_gave() -> None:
    plan = Plan(goal="x", acceptance=items(9), risks=("may touch money: a",) * 7, questions=items(9))
    sized = size(ticket("Do much", "word " * 5000), plan)
    assert sized.points == sum(int(reason.split(":")[0]) for reason in sized.reasons)
    assert sized.size is SizeName.LARGE
