"""A mutant: the source with one clause of one rule taken out, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = "loopy/engine/"


@dataclass(frozen=True)
class Edit:
    """One replacement; `old` occurs exactly once in the file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """Edits that belong together, and the node ids (below tests/) that must all go red."""

    rule: int
    name: str
    edits: tuple[Edit, ...]
    killers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule:02}-{self.name}"


def engine(file: str, old: str, new: str) -> Edit:
    """Return an edit of a module of the engine."""
    return Edit(f"{ENGINE}{file}.py", old, new)


def mutant(rule: int, name: str, edits: Edit | tuple[Edit, ...], *killers: str) -> Mutant:
    """Return a mutant; a killer without a path is a test of the rule's own file below tests/engine."""
    return Mutant(rule, name, edits if isinstance(edits, tuple) else (edits,), tuple(_node(rule, k) for k in killers))


FILES = {1: "01_03", 4: "04_06", 7: "07", 8: "08_09", 10: "10_12", 13: "13_14", 15: "15_16", 17: "17_19"}


def _node(rule: int, test: str) -> str:
    if "::" in test:
        return test
    first = max(n for n in FILES if n <= rule)
    return f"engine/test_rules_{FILES[first]}.py::{test}"
