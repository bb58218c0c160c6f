"""An effect: one act on the outside world, keyed by (run, kind, ordinal), looked up before it is done again (rule 15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EffectState(StrEnum):
    """How far an effect has come."""

    INTENDED = "intended"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class EffectKind(StrEnum):
    """What is done outside."""

    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Effect:
    """The intent row: the commit, where it goes, what the target must hold before (`expected`), and how it ended."""

    run: str
    kind: EffectKind
    ordinal: int
    state: EffectState
    token: int
    commit: str
    target: str
    ref: str
    expected: str  # the object id that the ref must have before; "" = must not exist
    at: datetime
    detail: str = ""

    @property
    def key(self) -> str:
        """The idempotency key that travels as a marker."""
        return f"{self.run}/{self.kind}/{self.ordinal}"
