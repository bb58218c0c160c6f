"""A run's budget: each turn reserves its share before the agent starts and settles what it really cost (rule 17)."""

from __future__ import annotations

from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport
from loopy.domain.failures import Failure
from loopy.domain.outcome import Coded, StepResult, Unchanged
from loopy.domain.policy import Policy
from loopy.domain.run import Claim, Run
from loopy.engine.claims import mine
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx


def reserve(desk: Desk, claim: Claim, policy: Policy) -> Tried | None:
    """Reserve a turn's share of the budget; a `Tried` when there is not enough left."""
    if policy.budget_micros is None:
        return None
    share = policy.budget_micros // policy.turns
    with desk.graph.write() as tx:
        total = tx.runs.spend(mine(tx, claim), share, None)
    if total <= policy.budget_micros:
        return None
    spent = (total - share) / 1_000_000
    return Tried(
        failure=Failure.BUDGET, detail=f"${spent:.2f} of ${policy.budget_micros / 1_000_000:.2f} spent or reserved"
    )


def settle(tx: Tx, run: Run, result: StepResult) -> None:
    """Replace the reserve of a claimed run by what the agent says it cost; a turn that does not say keeps its reserve."""
    said = [result.turned.usage] if isinstance(result, Coded | Unchanged) else []
    said += [review.usage for review in result.reviews] if isinstance(result, CheckReport) else []
    stated = [usage.cost_micros for usage in said if usage.cost_micros is not None]
    if stated:
        tx.runs.spend(run, 0, sum(stated))
