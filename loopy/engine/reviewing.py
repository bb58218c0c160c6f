"""Asking judges: agents that change nothing look at a change in a fresh context, on a copy of their own (rule 11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from loopy.domain.agent import Agent, AgentKind, Tried, Turned
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.events import StreamEvent
from loopy.domain.failures import RULES, Failure, Remedy
from loopy.domain.policy import Policy
from loopy.domain.review import Review
from loopy.domain.run import Claim
from loopy.engine.desk import Desk
from loopy.engine.failover import cool
from loopy.engine.scene import Scene
from loopy.engine.story import change_of
from loopy.ports import Brief, Leash, Workspace
from loopy.steps import review as judging


def reviewed(
    desk: Desk, claim: Claim, at: Scene, report: CheckReport, place: Workspace, leash: Leash
) -> CheckReport | Tried:
    """Return the report with the reviews that size and risk ask for; a red change is not worth a reviewer's time.

    A reviewer that cannot answer is replaced by the next of its kind. When none answers, the report says which review is
    missing and why; where the policy says `review = "always"`, the step is tried again later instead.
    """
    change, decision = change_of(at.journal, claim.run.turn)
    policy = desk.policies.policy(desk.fleet.agents().get(claim.run.agent), claim.run.repo, claim.run.base)
    found, missing = list[Review](), list[str]()
    for kind in judging.wanted(policy, at.sized, decision) if report.passed and change else ():
        assert change is not None
        for answer in _Asking(desk, claim, at, report, place, leash, change, policy).of(kind):
            if isinstance(answer, Tried):
                return answer
            if isinstance(answer, Review):
                found.append(answer)
                break
            missing.append(answer)
    if policy.review == "always" and report.passed and not found:
        why = "; ".join(missing) or "there is no agent of kind review"
        return Tried(failure=Failure.UNREACHABLE, detail=f"nobody reviewed the change: {why}")
    answered = {review.kind for review in found}
    unanswered = tuple(why for why in missing if why.partition(":")[0] not in answered)
    return report.model_copy(update={"reviews": tuple(found), "unreviewed": unanswered})


class _Asking:
    """One change before the judges."""

    def __init__(
        self,
        desk: Desk,
        claim: Claim,
        at: Scene,
        report: CheckReport,
        place: Workspace,
        leash: Leash,
        change: Change,
        policy: Policy,
    ) -> None:
        self._desk, self._claim, self._at, self._report = desk, claim, at, report
        self._place, self._leash, self._change, self._policy = place, leash, change, policy

    def of(self, kind: AgentKind) -> Iterator[Review | Tried | str]:
        """Yield what each judge of this kind answers, or why it does not, until one has; none of them is the author."""
        author = self._claim.run.agent.partition("@")[0]
        judges = [
            a for a in self._desk.fleet.agents().values() if a.kind is kind and a.name.partition("@")[0] != author
        ]
        for agent in judges:
            yield self._free(agent) or self._ask(agent)

    def _free(self, agent: Agent) -> str:
        """Return why the agent cannot be asked now, "" when it can."""
        with self._desk.graph.read() as tx:
            cooling = tx.fleet.cooldowns().get(agent.billed_to)
        if cooling is not None and cooling.until > self._desk.clock.now():
            return f"{agent.kind}: {agent.name} cools until {cooling.until:%H:%M:%S} UTC"
        healthy, why = self._desk.driver.health(agent)
        return "" if healthy else f"{agent.kind}: {agent.name} is not usable: {why}"

    def _ask(self, agent: Agent) -> Review | Tried | str:
        desk, run = self._desk, self._claim.run
        diff = desk.workspaces.diff(self._place, self._change)
        text = judging.prompt(agent.kind, self._at.ticket, self._at.plan, diff, self._report)
        self._leash.emit(StreamEvent("step.progress", f"{agent.name} reviews the change"))
        with desk.workspaces.checkout(self._place, self._change.tree, self._claim.token) as copy:
            folder = self._place.folder / f"review-{agent.name}"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            own = replace(self._place, tree=copy, folder=folder)
            said = desk.driver.turn(agent, Brief(text, run.turn, policy=self._policy), own, self._leash)
        if isinstance(said, Turned):
            return self._judged(agent, said, folder.name)
        if said.failure is Failure.CANCELLED:
            return said
        if RULES[said.failure].remedy is Remedy.FAIL_OVER:
            with desk.graph.write() as tx:
                cool(tx, run, said)
        return f"{agent.kind}: {agent.name}: {said.failure} {said.detail}".strip()

    def _judged(self, agent: Agent, said: Turned, folder: str) -> Review | str:
        found = judging.answer(said.message)
        if found is None:
            return f"{agent.kind}: {agent.name} gave no verdict"
        approved, summary, remarks = found
        verdict = "approves" if approved else "objects"
        self._leash.emit(StreamEvent("step.progress", f"{agent.name} {verdict}: {summary}"))
        return Review(
            agent=agent.name,
            kind="security" if agent.kind is AgentKind.SECURITY else "review",
            approved=approved,
            summary=summary,
            remarks=remarks,
            model=said.model,
            cli_version=said.cli_version,
            scripted=agent.scripted,
            usage=said.usage,
            transcript=f"{folder}/{said.transcript}" if said.transcript else "",
            transcript_sha256=said.transcript_sha256,
        )
