"""The attacks on the gate, as data: what an agent does in its clone, and what the gate must answer.

Numbers are those of the threat model's list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PAYLOAD = "payload.sh"
CANARY = "canary"


@dataclass(frozen=True)
class Attack:
    number: int
    name: str
    act: Callable[[Path], None]  # given the agent's tree; the payload lies two folders above
    rules: frozenset[str]
    verdict: str = "deny"

    @property
    def id(self) -> str:
        return f"{self.number:02}-{self.name}"


ATTACKS: list[Attack] = []


def attack(
    number: int, *rules: str, verdict: str = "deny"
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def note(act: Callable[[Path], None]) -> Callable[[Path], None]:
        ATTACKS.append(Attack(number, act.__name__.replace("_", "-"), act, frozenset(rules), verdict))
        return act

    return note


def payload(tree: Path) -> Path:
    """Return the program that leaves the canary; it also passes its input on, as a filter would."""
    at = tree.parent / PAYLOAD
    at.write_text(f"#!/bin/sh\ntouch '{tree.parent / CANARY}'\ncat\n")
    at.chmod(0o755)
    return at
