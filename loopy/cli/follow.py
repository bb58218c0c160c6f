"""Following a run: its events as they are written, with the run's row, until it has ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loopy.domain.errors import NotFoundError
from loopy.domain.events import Event
from loopy.domain.run import Run
from loopy.domain.states import RunState
from loopy.engine.graph import Graph

LOOK_S, BATCH = 0.1, 500


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: new events, oldest first (often none), and the run as it was just before."""

    events: Sequence[Event]
    run: Run


def follow(graph: Graph, run_id: str, after: int = 0, look_s: float = LOOK_S) -> Iterator[Look]:
    """Yield a look about every `look_s` seconds; the last one shows the run ended, all its events told."""
    seen, version, run = after, -1, _run(graph, run_id)
    while True:
        now = graph.version()
        if now != version:
            version, run = now, _run(graph, run_id)  # the run first: what it says has its events on record
            while events := graph.events(seen, run_id, BATCH):
                seen = events[-1].id
                yield Look(events, run)
                if len(events) < BATCH:
                    break
        yield Look((), run)
        if run.state is RunState.ENDED:
            return
        time.sleep(look_s)


def _run(graph: Graph, run_id: str) -> Run:
    with graph.read() as tx:
        run = tx.runs.get(run_id)
    if run is None:
        raise NotFoundError("run", f"there is no run {run_id}", hint="`loopy board` shows all")
    return run


def event_json(event: Event) -> dict[str, Any]:
    """Return an event as one object of a stream."""
    return {
        "id": event.id,
        "at": event.at.isoformat(),
        "name": event.name,
        "run": event.run,
        "ticket": event.ticket,
        "turn": event.turn,
        "step": event.step,
        "text": event.text,
        "facts": dict(event.facts),
        "version": event.version,
    }
