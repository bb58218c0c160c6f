"""The inputs of a step, read from the graph in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.evidence import AttemptRecord
from loopy.domain.outcome import Coded, Unchanged
from loopy.domain.plan import Plan, Routed, Sized
from loopy.domain.run import Claim, Run
from loopy.domain.ticket import Ticket
from loopy.engine.graph import Graph
from loopy.engine.story import Journal, change_of, newest, report_of


@dataclass(frozen=True, slots=True)
class Scene:
    """A run with its ticket, its journal and its attempts, as one transaction saw them."""

    run: Run
    ticket: Ticket
    journal: Journal
    attempts: Sequence[AttemptRecord]

    @property
    def plan(self) -> Plan:
        """The newest plan."""
        plan = newest(self.journal, Plan)
        assert plan is not None, "the order of steps puts the plan first"
        return plan

    @property
    def sized(self) -> Sized:
        """The newest size."""
        sized = newest(self.journal, Sized)
        assert sized is not None, "the order of steps puts the size before the route"
        return sized

    @property
    def chain(self) -> tuple[str, ...]:
        """The agents that may work on this run, in order."""
        routed = newest(self.journal, Routed)
        return (routed.agent, *routed.chain) if routed else ()

    @property
    def change(self) -> Change | None:
        """This turn's change."""
        return change_of(self.journal, self.run.turn)[0]

    @property
    def before(self) -> CheckReport | None:
        """The report of the turn before."""
        return report_of(self.journal, self.run.turn - 1)

    @property
    def tree_before(self) -> str:
        """The newest tree of an earlier turn, "" for none."""
        changes = (change_of(self.journal, turn)[0] for turn in range(self.run.turn - 1, 0, -1))
        return next((c.tree for c in changes if c), "")

    def session(self, agent: str) -> str:
        """Return the session to resume: that of the agent's own last turn in this run."""
        turns = [o for _, _, o in self.journal if isinstance(o, Coded | Unchanged) and o.agent == agent]
        return turns[-1].turned.session_id if turns else ""

    def handed_over(self) -> AttemptRecord | None:
        """Return the failover that brought the present agent in this turn."""
        moves = [a for a in self.attempts if a.turn == self.run.turn and a.to_agent]
        return moves[-1] if moves and moves[-1].to_agent == self.run.agent else None


def scene(graph: Graph, claim: Claim) -> Scene:
    """Read everything that a step of this claim may need."""
    with graph.read() as tx:
        ticket = tx.tickets.get(claim.run.ticket)
        assert ticket is not None, "a run has a ticket by foreign key"
        return Scene(claim.run, ticket, tx.runs.outcomes(claim.run.id), tx.runs.attempts(claim.run.id))
