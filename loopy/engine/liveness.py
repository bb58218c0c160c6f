"""When an owner is silent: judged only by what this process watched itself, in time it was awake (rule 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from loopy.domain.run import Run
from loopy.engine.order import LEASE_S, LOOK_CAP_S
from loopy.ports import Clock


@dataclass(frozen=True, slots=True)
class Seen:
    """The last look at a run: its token and beat, when, and how long it has been silent since."""

    pulse: tuple[int, int]
    at: float
    silence_s: float


@dataclass
class LeaseWatch:
    """One process's own observations; a gap between two looks counts at most two seconds, so sleep steals nothing."""

    clock: Clock
    lease_s: float = LEASE_S
    seen: dict[str, Seen] = field(default_factory=dict)

    def look(self, running: Sequence[Run]) -> list[Run]:
        """Look at every running row; return those whose owner was silent for a whole lease."""
        now = self.clock.awake()
        looks: dict[str, Seen] = {}
        for run in running:
            pulse, known = (run.token, run.beat), self.seen.get(run.id)
            silence = 0.0
            if known is not None and known.pulse == pulse:
                silence = known.silence_s + min(now - known.at, LOOK_CAP_S)
            looks[run.id] = Seen(pulse, now, silence)
        self.seen = looks
        return [run for run in running if looks[run.id].silence_s >= self.lease_s]
