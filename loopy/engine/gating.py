"""What the gate is told besides the change itself."""

from __future__ import annotations

from loopy.domain.gate import Facts
from loopy.engine.desk import Desk
from loopy.engine.scene import Scene


def gate_facts(desk: Desk, at: Scene) -> Facts:
    """Return the facts about the run: whose words started it, how the agent is held, whether it is a stand-in."""
    agent = desk.fleet.agents().get(at.run.agent)
    return Facts(
        repo=at.run.repo,
        source_trust=at.ticket.source_trust,
        sandbox_grade=desk.sandbox.held.grade,
        scripted=bool(agent and agent.scripted),
    )
