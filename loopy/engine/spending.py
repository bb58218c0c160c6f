"""A run's budget: each turn reserves its share before the agent starts and settles what it really cost (rule 17)."""

from __future__ import annotations

from datetime import timedelta

from loopy.domain.agent import Agent, Tried
from loopy.domain.check import CheckReport
from loopy.domain.failures import Failure
from loopy.domain.outcome import Coded, StepResult, Unchanged
from loopy.domain.policy import Policy
from loopy.domain.run import Claim, Run
from loopy.engine.claims import mine
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx


def reserve(desk: Desk, claim: Claim, policy: Policy, agent: Agent) -> Tried | None:
    """Reserve a turn's share of the run's budget; a `Tried` when that, the ticket's or the day's does not hold it.

    A run's and a ticket's budget end the run. A day's is a limit like any other: its account cools until midnight UTC,
    so another agent takes over, or the run waits.
    """
    limits = desk.admission.limits
    budgets = (policy.budget_micros, policy.ticket_budget_micros, agent.day_budget_micros, limits.day_budget_micros)
    if budgets == (None,) * 4:
        return None
    share = _share(policy)
    if policy.budget_micros is not None:
        with desk.graph.write() as tx:
            tx.runs.spend(mine(tx, claim), share, None)
    with desk.graph.read() as tx:
        of_run, of_ticket = tx.runs.spent(run=claim.run.id), tx.runs.spent(ticket=claim.run.ticket)
        today = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
        of_account, of_all = tx.runs.spent(account=claim.run.account, since=today), tx.runs.spent(since=today)
    if policy.budget_micros is not None and of_run > policy.budget_micros:
        return Tried(failure=Failure.BUDGET, detail=_said("the run", of_run - share, policy.budget_micros))
    if policy.ticket_budget_micros is not None and of_ticket - share >= policy.ticket_budget_micros:
        return Tried(failure=Failure.BUDGET, detail=_said("the ticket", of_ticket - share, policy.ticket_budget_micros))
    for what, budget, spent in (
        (f"today on account {claim.run.account}", agent.day_budget_micros, of_account - share),
        ("today on this host", limits.day_budget_micros, of_all - share),
    ):
        if budget is not None and spent >= budget:
            account, reset = claim.run.account, today + timedelta(days=1)
            return Tried(failure=Failure.QUOTA, detail=_said(what, spent, budget), account=account, resets_at=reset)
    return None


def left(desk: Desk, run: Run, policy: Policy) -> int | None:
    """Return what a turn may still cost by the run's and the ticket's budget, its own share included; None: no budget."""
    if policy.budget_micros is None and policy.ticket_budget_micros is None:
        return None
    with desk.graph.read() as tx:
        of_run, of_ticket = tx.runs.spent(run=run.id), tx.runs.spent(ticket=run.ticket)
    budgets = ((policy.budget_micros, of_run), (policy.ticket_budget_micros, of_ticket))
    return max(min(budget - spent + _share(policy) for budget, spent in budgets if budget is not None), 0)


def _share(policy: Policy) -> int:
    return policy.budget_micros // policy.turns if policy.budget_micros is not None else 0


def _said(what: str, spent: int, budget: int) -> str:
    return f"${spent / 1_000_000:.2f} of ${budget / 1_000_000:.2f} spent or reserved by {what}".replace(
        "by today", "today"
    )


def settle(tx: Tx, run: Run, result: StepResult) -> None:
    """Replace the reserve of a claimed run by what the agent says it cost; a turn that does not say keeps its reserve."""
    said = [result.turned.usage] if isinstance(result, Coded | Unchanged) else []
    said += [review.usage for review in result.reviews] if isinstance(result, CheckReport) else []
    stated = [usage.cost_micros for usage in said if usage.cost_micros is not None]
    if stated:
        tx.runs.spend(run, 0, sum(stated))
