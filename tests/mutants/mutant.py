"""A mutant: the source with one clause of one rule taken out, and the tests that must notice."""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = "loopy/engine/"
TRUST = 0  # the number in the place of a rule's


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


FILES = (
    (3, "01_03"),
    (6, "04_06"),
    (7, "07"),
    (9, "08_09"),
    (10, "10"),
    (12, "11_12"),
    (14, "13_14"),
    (16, "15_16"),
    (17, "17"),
    (19, "18_19"),
)


def mutant(rule: int, name: str, edits: Edit | tuple[Edit, ...], *killers: str) -> Mutant:
    """Return a mutant; a killer without a path is a rule's test below tests/engine."""
    return Mutant(rule, name, edits if isinstance(edits, tuple) else (edits,), tuple(map(_node, killers)))


def trust(name: str, edits: Edit | tuple[Edit, ...], *killers: str) -> Mutant:
    """Return a mutant of what no rule of the protocol names: policy, gate, redaction, receipts; killers are node ids."""
    return mutant(TRUST, name, edits, *killers)


def _node(test: str) -> str:
    """Return the node id; a rule's test is found by the number in its name."""
    if "::" in test:
        return test
    rule = int(test.split("_")[1])
    file = next(name for last, name in FILES if rule <= last)
    return f"engine/test_rules_{file}.py::{test}"
