"""Failover: the next agent of the authorised chain that is healthy and not cooling, or when to try again (rule 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from loopy.domain.agent import Agent, Tried
from loopy.domain.failures import RULES, Failure
from loopy.domain.outcome import FailedOver
from loopy.domain.plan import Routed
from loopy.domain.run import Run
from loopy.engine.books import Cooldown
from loopy.engine.decide import BY_A_PERSON
from loopy.engine.graph import Tx
from loopy.engine.order import COOLDOWN_MIN_S, MOVES, RESET_MARGIN_S
from loopy.engine.story import newest


def cool(tx: Tx, run: Run, tried: Tried) -> None:
    """Let the account cool for at least a minute, or until the stated reset plus a margin."""
    floor = tx.now + timedelta(seconds=max(RULES[tried.failure].cooldown_s, COOLDOWN_MIN_S))
    until = max(tried.resets_at + timedelta(seconds=RESET_MARGIN_S), tx.now) if tried.resets_at else floor
    least = tx.now + timedelta(seconds=COOLDOWN_MIN_S)
    tx.fleet.cool(tried.account or run.account, max(until, least), f"{tried.failure}: {tried.detail}"[:300])


def mended(tx: Tx, run: Run, agents: Mapping[str, Agent]) -> None:
    """End what keeps the run's chain from being asked until a person mends it: one says so. A limit keeps its reset."""
    routed, cooldowns = newest(tx.runs.outcomes(run.id), Routed), tx.fleet.cooldowns()
    for name in (routed.agent, *routed.chain) if routed else ():
        known = cooldowns.get(agents[name].billed_to) if name in agents else None
        if known is not None and known.why.partition(":")[0] in BY_A_PERSON:
            tx.fleet.thaw(known.account)


def cooling(tx: Tx, run: Run) -> Tried | None:
    """Return why a run's account may not be asked now: it met its limit after the run was routed to it."""
    known = tx.fleet.cooldowns().get(run.account)
    if known is None or known.until <= tx.now:
        return None
    resets_at = known.until - timedelta(seconds=RESET_MARGIN_S)
    detail = f"{run.account} cools until {known.until:%H:%M:%S} UTC"
    return Tried(failure=Failure.CAPACITY, detail=detail, account=run.account, resets_at=resets_at)


def successor(
    run: Run,
    why: Failure,
    chain: Sequence[str],
    agents: Mapping[str, Agent],
    cooldowns: Mapping[str, Cooldown],
    healthy: Callable[[Agent], bool],
    now: datetime,
) -> FailedOver:
    """Return where the run goes: to an agent that is free now, else to wait for the earliest reset.

    After `MOVES` moves in one turn the run parks all the same, so that two limited agents do not play ping-pong.
    """
    known = [agents[name] for name in chain if name in agents]
    ends = {agent.name: cooldowns[agent.billed_to].until for agent in known if agent.billed_to in cooldowns}
    free = [agent for agent in known if ends.get(agent.name, now) <= now]
    if run.moves < MOVES:
        for agent in free:
            if healthy(agent):
                return FailedOver(why=why, from_agent=run.agent, to_agent=agent.name, account=agent.billed_to)
    earliest = min(ends.values(), default=now)
    wake_at = max(earliest, now + timedelta(seconds=COOLDOWN_MIN_S if free else 1))
    return FailedOver(why=why, from_agent=run.agent, wake_at=wake_at)
