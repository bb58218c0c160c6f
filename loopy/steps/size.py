"""The size step: small, medium or large, with the points that each reason gave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from loopy.domain.counted import counted
from loopy.domain.plan import Plan, Sized, SizeName
from loopy.domain.ticket import Ticket

SMALL_UP_TO, MEDIUM_UP_TO = 3, 8
LABELS: Mapping[str, SizeName] = MappingProxyType(
    {
        "xs": SizeName.SMALL,
        "s": SizeName.SMALL,
        "small": SizeName.SMALL,
        "m": SizeName.MEDIUM,
        "medium": SizeName.MEDIUM,
        "l": SizeName.LARGE,
        "large": SizeName.LARGE,
        "xl": SizeName.LARGE,
        "epic": SizeName.LARGE,
    }
)
POINTS = MappingProxyType({SizeName.SMALL: 1, SizeName.MEDIUM: 5, SizeName.LARGE: 13})
TINY = re.compile(
    r"\b(typo|spelling|wording|comment|docstring|rename (?:a|the) (?:local )?variable|bump version)\b", re.IGNORECASE
)
HUGE = re.compile(
    r"\b(rewrite|rearchitect|overhaul|redesign|from scratch|everywhere|whole (?:code ?base|project)|port (?:it )?to"
    r"|across (?:the|all)|all (?:the )?(?:files|modules|services|endpoints))\b",
    re.IGNORECASE,
)


def size(ticket: Ticket, plan: Plan) -> Sized:
    """Return the ticket's size. A label such as `size/L` or `epic` decides alone; else points are added up."""
    if labelled := _labelled(ticket):
        label, name = labelled
        return Sized(size=name, points=POINTS[name], reasons=(f"the label '{label}' says so",))
    counted = [(points, reason) for points, reason in _points(ticket, plan) if points]
    total = max(sum(points for points, _ in counted), 0)
    reasons = tuple(f"{points:+d}: {reason}" for points, reason in counted)
    return Sized(size=_name(total), points=total, reasons=reasons or ("nothing makes it larger than small",))


def _name(points: int) -> SizeName:
    if points <= SMALL_UP_TO:
        return SizeName.SMALL
    return SizeName.MEDIUM if points <= MEDIUM_UP_TO else SizeName.LARGE


def _labelled(ticket: Ticket) -> tuple[str, SizeName] | None:
    for label in ticket.labels:
        word = re.sub(r"^size\s*[:/=-]?\s*", "", label.strip().lower())
        if word in LABELS and (word != label.strip().lower() or len(word) > 2):
            return label, LABELS[word]
    return None


def _points(ticket: Ticket, plan: Plan) -> Iterator[tuple[int, str]]:
    words, items = len(ticket.body.split()), len(plan.acceptance)
    areas = _areas(plan)
    yield items // 2, counted(items, "acceptance item")
    yield min(len(areas) // 2, 3), f"likely files in {counted(len(areas), 'place')} ({', '.join(areas[:4])})"
    yield min(words // 150, 3), counted(words, "word")
    yield min(_dangers(plan), 4), f"{counted(_dangers(plan), 'risk')} of what it touches or asks"
    if found := HUGE.search(ticket.text):
        yield 6, f"it says '{found[0]}'"
    if found := TINY.search(ticket.title):
        yield -2, f"it says '{found[0]}'"
    yield int(not plan.files), "nobody knows yet where"
    yield min(len(plan.questions) // 2, 2), counted(len(plan.questions), "open question")


def _areas(plan: Plan) -> list[str]:
    """Return the folders of the best half of the likely files, tests left out."""
    best = [path for path in plan.files if "test" not in path][:6]
    return list(dict.fromkeys("/".join(path.split("/")[:-1][:2]) or "the root" for path in best))


def _dangers(plan: Plan) -> int:
    return sum(risk.startswith(("may touch", "the ticket")) for risk in plan.risks)
