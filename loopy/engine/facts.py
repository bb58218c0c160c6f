"""What the table of next moves may look at, and the question that a gate asks; gathered around the finish transaction."""

from __future__ import annotations

from dataclasses import dataclass

from loopy.domain.agent import Tried
from loopy.domain.check import CheckReport
from loopy.domain.gate import policy_digest
from loopy.domain.outcome import Packed, StepResult
from loopy.domain.plan import Plan, Routed
from loopy.domain.policy import Policy
from loopy.domain.run import Run
from loopy.domain.states import Segment
from loopy.engine.decide import Facts
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx
from loopy.engine.story import newest, report_of, sha256_of
from loopy.steps.check import alike
from loopy.steps.evidence import subject

GATE_RUN, GATE_SHIP = "run", "ship"


@dataclass(frozen=True, slots=True)
class Ground:
    """The policy that governs a run at this moment, with its digest."""

    policy: Policy
    sha256: str

    def facts(self, tx: Tx, run: Run, result: StepResult) -> Facts:
        """Return the facts for `decide`, read in the very transaction that acts on them."""
        journal = tx.runs.outcomes(run.id)
        routed = result if isinstance(result, Routed) else newest(journal, Routed)
        chain = (routed.agent, *routed.chain) if routed else ()
        gate_run = isinstance(result, Routed) and self.policy.approve_run
        return Facts(
            now=tx.now,
            tries=_tries(tx, run, result),
            turns=self.policy.turns,
            alike=isinstance(result, CheckReport) and alike(result, report_of(journal, run.turn - 1)),
            others=any(name != run.agent for name in chain),
            approved=isinstance(result, Packed) and approved(tx, run, result.subject),
            gate_run=gate_run and not approved(tx, run, self.run_subject(tx, run)),
        )

    def run_subject(self, tx: Tx, run: Run) -> str:
        """Return what the before-run gate binds to: base, plan and policy."""
        return subject(f"base:{run.base}", sha256_of(newest(tx.runs.outcomes(run.id), Plan)), self.sha256)

    def ask(self, tx: Tx, run: Run, result: StepResult) -> None:
        """Open the gate's question for the position at which the run now waits."""
        if run.segment is Segment.TURN:
            tx.approvals.open(run, GATE_RUN, self.run_subject(tx, run), f"May {run.agent} start work on {run.ticket}?")
        elif isinstance(result, Packed):
            tx.approvals.open(run, GATE_SHIP, result.subject, f"Ship the change of {run.id}? {result.reason}".strip())


def ground(desk: Desk, run: Run, agent: str) -> Ground:
    """Return the policy in force for the run under this agent; reads the repository at its base, so never inside a transaction."""
    policy = desk.policies.policy(desk.fleet.agents().get(agent), run.repo, run.base)
    return Ground(policy, policy_digest(policy))


def approved(tx: Tx, run: Run, bound_to: str) -> bool:
    """Whether a yes is on record for this very subject."""
    answers = (a.answer for a in tx.approvals.of(run.id) if a.subject == bound_to)
    return any(answer.decision == "approve" for answer in answers if answer)


def _tries(tx: Tx, run: Run, result: StepResult) -> int:
    if not isinstance(result, Tried):
        return 0
    here = (run.turn, run.step, result.failure)
    return 1 + sum((a.turn, a.step, a.failure) == here for a in tx.runs.attempts(run.id))
