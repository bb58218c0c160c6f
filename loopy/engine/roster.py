"""What the route is told about each agent: health, cooling, how busy it is, and whether it is at home in the repository."""

from __future__ import annotations

from collections import Counter

from loopy.domain.gate import Facts, evaluate
from loopy.domain.policy import Policy
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment
from loopy.engine.desk import Desk
from loopy.steps.route import AgentFacts


def roster(desk: Desk, run: Run) -> list[AgentFacts]:
    """Return the facts about every agent, as the graph and the health probes have them now."""
    with desk.graph.read() as tx:
        cooldowns = tx.fleet.cooldowns()
        live = tx.runs.by_state(RunState.QUEUED, RunState.RUNNING)
    turns = [r for r in live if r.segment is Segment.TURN]
    busy = Counter(r.agent for r in turns)
    at_home = {r.agent: r.id for r in turns if r.repo == run.repo}
    facts = []
    for agent in desk.fleet.agents().values():
        healthy, health = desk.driver.health(agent)
        cooling = cooldowns.get(agent.billed_to)
        facts.append(
            AgentFacts(
                agent=agent,
                healthy=healthy,
                health=health,
                cooling_until=cooling.until if cooling and cooling.until > desk.clock.now() else None,
                busy=busy[agent.name],
                warm=agent.name in at_home,
                loop=at_home.get(agent.name, ""),
                barred=_barred(desk.policies.policy(agent, run.repo, run.base), desk, run),
            )
        )
    return facts


def _barred(policy: Policy, desk: Desk, run: Run) -> str:
    decision = evaluate(policy, Facts(repo=run.repo, sandbox_grade=desk.sandbox.held.grade))
    return "; ".join(f.why for f in decision.findings if f.rule == "repo-not-allowed")
