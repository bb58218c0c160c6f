"""The in-memory graph under watch: every commit is checked before anybody else sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from loopy.domain.agent import Agent
from loopy.domain.limits import Limits
from tests.simulation.invariants import Writer, after_commit
from tests.simulation.memory import MemoryGraph
from tests.simulation.rows import Rows


@dataclass
class WatchedGraph(MemoryGraph):
    """The graph, every commit of which is checked."""

    limits: Limits = field(default_factory=Limits)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    writer: Callable[[], Writer] = Writer
    seen: Callable[[Rows, Rows, Writer], None] = lambda _before, _now, _writer: None

    def committed(self, before: Rows, now: Rows) -> None:
        writer = self.writer()
        after_commit(before, now, self.limits, self.agents, writer)
        self.seen(before, now, writer)
