"""The story of a run as the graph holds it: the evidence pack, gathered from rows alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from loopy.domain.agent import Agent, Turned
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.evidence import ApprovalRecord, AttemptRecord, EvidencePack, TurnRecord
from loopy.domain.failures import Failure
from loopy.domain.held import Held, weakest
from loopy.domain.outcome import Coded, Outcome, Packed, Rebased, Shipped, Unchanged
from loopy.domain.plan import Plan, Routed, Sized
from loopy.domain.policy import Decision
from loopy.domain.run import Run
from loopy.domain.states import Step, Verdict
from loopy.engine.graph import Tx
from loopy.ports import Fleet, Sandbox

T = TypeVar("T", Plan, Sized, Routed)
Journal = Sequence[tuple[int, Step, Outcome]]
EVIDENCE_JSON, EVIDENCE_PAGE, PATCH, BUNDLE = "evidence.json", "evidence.md", "ship.patch", "ship.bundle"


def sha256_of(value: Plan | Routed | None) -> str:
    """Return the digest of a stored value, "" for none."""
    return hashlib.sha256(value.model_dump_json().encode()).hexdigest() if value else ""


def newest(journal: Journal, kind: type[T]) -> T | None:
    """Return the last outcome of a kind."""
    return next((o for _, _, o in reversed(journal) if isinstance(o, kind)), None)


def change_of(journal: Journal, turn: int) -> tuple[Change | None, Decision | None]:
    """Return a turn's change and the gate's decision on it, however it came about."""
    found = next((o for t, step, o in journal if (t, step) == (turn, Step.CODE)), None)
    return (found.change, found.decision) if isinstance(found, Coded | Rebased) else (None, None)


def report_of(journal: Journal, turn: int) -> CheckReport | None:
    """Return a turn's check report."""
    return next((o for t, _, o in journal if t == turn and isinstance(o, CheckReport)), None)


def files_of(journal: Journal, turn: int) -> Mapping[str, str]:
    """Return name → sha256 of the files that a turn's evidence and ship steps left: what is on record, not what lies there."""
    packed = next((o for t, _, o in journal if t == turn and isinstance(o, Packed)), None)
    shipped = next((o for t, _, o in journal if t == turn and isinstance(o, Shipped)), None)
    found = {
        EVIDENCE_JSON: packed.json_sha256 if packed else "",
        EVIDENCE_PAGE: packed.markdown_sha256 if packed else "",
        PATCH: packed.patch_sha256 if packed else "",
        BUNDLE: shipped.bundle_sha256 if shipped else "",
    }
    return {name: sha256 for name, sha256 in found.items() if sha256}


def gather(tx: Tx, run: Run, fleet: Fleet, sandbox: Sandbox, policy_sha256: str) -> EvidencePack:
    """Return the evidence pack of a run as it stands in this transaction."""
    ticket = tx.tickets.get(run.ticket)
    assert ticket is not None, "a run has a ticket by foreign key"
    journal = tx.runs.outcomes(run.id)
    held = weakest(_held(journal)) or sandbox.held
    change, decision = change_of(journal, run.turn)
    plan = newest(journal, Plan)
    attempts = tuple(tx.runs.attempts(run.id))
    answers = tuple(_carried(a.answer, attempts) for a in tx.approvals.of(run.id) if a.answer)
    return EvidencePack(
        run=run.id,
        ticket=run.ticket,
        title=ticket.title,
        repo=run.repo,
        source=ticket.source,
        source_trust=ticket.source_trust,
        verdict=run.verdict or Verdict.FAILED,
        reason=run.reason,
        started_at=run.created_at,
        packed_at=tx.now,
        plan=plan,
        size=newest(journal, Sized),
        route=newest(journal, Routed),
        turns=tuple(_turn(journal, n, fleet) for n in sorted({t for t, step, _ in journal if step is Step.CODE})),
        attempts=attempts,
        approvals=answers,
        change=change,
        decision=decision,
        policy_sha256=policy_sha256,
        sandbox_backend=held.backend,
        sandbox_grade=held.grade,
        sandbox_network=held.network,
        risks=plan.risks if plan else (),
        questions=plan.questions if plan else (),
    )


def _held(journal: Journal) -> Iterator[Held | None]:
    """Yield what held each turn and each checks' report of the run; the settings may have changed between them."""
    for _, _, outcome in journal:
        if isinstance(outcome, Coded | Unchanged):
            yield outcome.turned.held
        elif isinstance(outcome, CheckReport) and outcome.results:
            yield outcome.held


def _carried(answer: ApprovalRecord, attempts: Sequence[AttemptRecord]) -> ApprovalRecord:
    """Say of an answer that an equal diff carried it over a rebase (rule 14)."""
    rebased = any(a.failure is Failure.CONFLICT and a.at > answer.at for a in attempts)
    return answer.model_copy(update={"carried": rebased}) if rebased else answer


def _turn(journal: Journal, n: int, fleet: Fleet) -> TurnRecord:
    coded = next(o for t, step, o in journal if (t, step) == (n, Step.CODE))
    turned = coded.turned if isinstance(coded, Coded | Unchanged) else Turned(message="rebased by Loopy")
    name = coded.agent if isinstance(coded, Coded | Unchanged) else "loopy"
    agent: Agent | None = fleet.agents().get(name)
    change, decision = change_of(journal, n)
    return TurnRecord(
        n=n,
        agent=name,
        cli=agent.cli if agent else "",
        cli_version=turned.cli_version,
        model=turned.model,
        scripted=bool(agent and agent.scripted),
        message=turned.message,
        usage=turned.usage,
        transcript=turned.transcript,
        transcript_sha256=turned.transcript_sha256,
        change=change,
        decision=decision,
        report=report_of(journal, n),
    )
