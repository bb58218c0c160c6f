"""The evidence pack: everything a reviewer needs to trust or doubt a run, rendered from the work graph alone."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from loopy.domain.agent import Usage
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.failures import Failure
from loopy.domain.held import Grade, Held
from loopy.domain.plan import Plan, Routed, Sized
from loopy.domain.policy import Decision
from loopy.domain.states import Verdict
from loopy.domain.value import Value


class TurnRecord(Value):
    """One code → check round as it happened."""

    n: int
    agent: str
    cli: str = ""
    cli_version: str = ""
    model: str = ""
    scripted: bool = False
    message: str = ""
    usage: Usage = Usage()
    transcript: str = ""
    transcript_sha256: str = ""
    change: Change | None = None
    decision: Decision | None = None
    report: CheckReport | None = None


class AttemptRecord(Value):
    """A try that was not an outcome: limit, crash, cancel, failover."""

    at: datetime
    turn: int
    step: str
    failure: Failure
    agent: str = ""
    to_agent: str = ""
    detail: str = ""
    resets_at: datetime | None = None


class ApprovalRecord(Value):
    """A person's answer and what exactly it was over."""

    gate: str
    decision: Literal["approve", "reject"]
    by: str
    at: datetime
    subject: str
    note: str = ""
    carried: bool = False


class EvidencePack(Value):
    """The pack of one run; `verdict` is what the run ends as if its effects succeed."""

    version: Literal[1] = 1
    run: str
    ticket: str
    title: str
    repo: str
    source: str
    source_trust: str
    verdict: Verdict
    reason: str = ""
    started_at: datetime
    packed_at: datetime
    plan: Plan | None = None
    size: Sized | None = None
    route: Routed | None = None
    turns: tuple[TurnRecord, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    approvals: tuple[ApprovalRecord, ...] = ()
    change: Change | None = None
    decision: Decision | None = None
    policy_sha256: str = ""
    sandbox_backend: str = "none"  # the least of what held its turns and checks
    sandbox_grade: Grade = "none"
    sandbox_network: Literal["unrestricted", "denied"] = "unrestricted"
    risks: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()

    @property
    def held(self) -> Held:
        """Return what held the agents and the checks of the run."""
        return Held(backend=self.sandbox_backend, grade=self.sandbox_grade, network=self.sandbox_network)
