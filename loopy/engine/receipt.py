"""From the evidence pack and the graph's rows to the statement that is signed; only what was observed is claimed."""

from __future__ import annotations

from loopy.domain import receipt as r
from loopy.domain.effect import EffectState
from loopy.domain.evidence import ApprovalRecord, AttemptRecord, EvidencePack, TurnRecord
from loopy.domain.fact import CommitDigest, Sha256Digest, TreeDigest
from loopy.domain.repository import parse
from loopy.domain.run import Run
from loopy.domain.statement import Statement, statement_about
from loopy.domain.states import Verdict
from loopy.domain.ticket import Trust
from loopy.engine.desk import Desk
from loopy.engine.effects import OPEN
from loopy.engine.graph import Tx
from loopy.engine.story import BUNDLE, PATCH, files_of, sha256_of
from loopy.steps.evidence import subject


def statement(
    tx: Tx, run: Run, pack: EvidencePack, desk: Desk, seq: int, previous: str, receipt_id: str, salt: bytes
) -> Statement:
    """Return the statement about an ended run: the shipped commit, or the run itself when nothing shipped."""
    shipped = run.head if run.verdict is Verdict.PASSED else ""
    files = files_of(tx.runs.outcomes(run.id), run.turn)
    tx.fleet.audit("loopy", "receipt.salted", run.id, {"salt": salt.hex()})
    made = r.ShipReceipt(
        receipt_id=receipt_id,
        time_shipped=tx.now,
        verdict=pack.verdict,
        reason=pack.reason or None,
        loopy=r.LoopyFact(version=desk.version, host=desk.install_id),
        ticket=_ticket(tx, run, pack, salt),
        run=r.RunFact(id=run.id),
        repo=_repo(tx, run, pack),
        turns=tuple(_turn(t) for t in pack.turns),
        failovers=tuple(_failover(a) for a in pack.attempts if a.to_agent),
        sandbox=r.SandboxFact(**pack.held.model_dump()),
        plan=_digest(sha256_of(pack.plan)),
        route=_digest(sha256_of(pack.route)),
        policy=_policy(pack),
        checks=_checks(pack),
        reviews=_reviews(pack) or None,
        approvals=tuple(_approval(a, pack, run) for a in pack.approvals if a.subject in _in_force(pack, run)),
        evidence=tuple(r.EvidenceFact(name=n, digest=Sha256Digest(sha256=d)) for n, d in files.items()),
        open_effects=_open_effects(tx, run),
        chain=r.ChainFact(log=desk.install_id, seq=seq, previous=_digest(previous)),
        signer=r.SignerFact(isolation="same-user" if pack.sandbox_grade == "none" else "sandboxed-agent"),
        claims=(r.CLAIM_SHIPPED if shipped else r.CLAIM_ENDED,),
    )
    if not shipped:
        return statement_about(made)
    patch, bundle = files.get(PATCH), files.get(BUNDLE)
    return statement_about(made, commit=shipped, tree=run.tree or None, patch=patch, bundle=bundle)


def _ticket(tx: Tx, run: Run, pack: EvidencePack, salt: bytes) -> r.TicketFact:
    return r.TicketFact(
        uri=f"loopy:ticket/{run.ticket}",
        source=pack.source,
        source_trust=Trust(pack.source_trust),
        digest=r.salted_sha256(salt, _ticket_text(tx, run)),
    )


def _open_effects(tx: Tx, run: Run) -> tuple[r.OpenEffectFact, ...]:
    return tuple(
        r.OpenEffectFact(
            kind=e.kind,
            ordinal=e.ordinal,
            state="intended" if e.state is EffectState.INTENDED else "unknown",
            key=e.key,
            ref=e.ref,
            digest=CommitDigest(git_commit=e.commit),
        )
        for e in tx.effects.of(run.id)
        if e.state in OPEN
    )


def _in_force(pack: EvidencePack, run: Run) -> frozenset[str]:
    """Return what an answer must have been over to count for this very run as it ended (rule 14)."""
    plan = sha256_of(pack.plan)
    over = (run.digest, f"base:{run.base}")
    return frozenset(subject(what, plan, pack.policy_sha256) for what in over) if pack.policy_sha256 else frozenset()


def _ticket_text(tx: Tx, run: Run) -> str:
    ticket = tx.tickets.get(run.ticket)
    return ticket.text if ticket else ""


def _digest(sha256: str) -> Sha256Digest | None:
    return Sha256Digest(sha256=sha256) if sha256 else None


def _repo(tx: Tx, run: Run, pack: EvidencePack) -> r.RepoFact | None:
    if not run.base:
        return None
    address = parse(run.repo)  # a local path is nobody else's business
    done = next((e for e in tx.effects.of(run.id) if e.state is EffectState.DONE), None)
    target = r.TargetFact(ref=done.ref, read_back=CommitDigest(git_commit=done.commit)) if done else None
    change = pack.change
    stats = r.StatsFact(files=len(change.entries), added=change.added, deleted=change.deleted) if change else None
    return r.RepoFact(
        uri=f"loopy:repo/{address.slug}" if address.local else run.repo,
        base=r.BaseFact(
            ref=(pack.plan.target if pack.plan else "") or "HEAD", digest=CommitDigest(git_commit=run.base)
        ),
        target=target,
        raw_diff=_digest(change.digest) if change else None,
        stats=stats,
    )


def _turn(turn: TurnRecord) -> r.TurnFact:
    usage = turn.usage
    tokens = None
    if usage.input_tokens is not None and usage.output_tokens is not None:
        tokens = r.TokensFact(input=usage.input_tokens, output=usage.output_tokens)
    return r.TurnFact(
        n=turn.n,
        agent=turn.agent,
        scripted=turn.scripted,
        cli_version=turn.cli_version or None,
        model=turn.model or None,
        model_source="cli-event" if turn.model else "unknown",
        exit="ok" if turn.change else "no-change",
        transcript=_digest(turn.transcript_sha256),
        tokens=tokens,
    )


def _failover(attempt: AttemptRecord) -> r.FailoverFact:
    return r.FailoverFact(
        turn=attempt.turn, moved_from=attempt.agent, moved_to=attempt.to_agent, why=attempt.failure, at=attempt.at
    )


def _policy(pack: EvidencePack) -> r.PolicyFact | None:
    if not pack.policy_sha256:
        return None
    decision = pack.decision
    findings = decision.findings if decision else ()
    return r.PolicyFact(
        uri="loopy:policy/effective",
        digest=Sha256Digest(sha256=pack.policy_sha256),
        risk_tier=decision.tier if decision else 0,
        findings=tuple(
            r.FindingFact(rule=f.rule, decision=f.verb, why=f"{f.path}: {f.why}".lstrip(": ")) for f in findings
        ),
    )


def _checks(pack: EvidencePack) -> tuple[r.CheckFact, ...]:
    report = pack.turns[-1].report if pack.turns else None
    if report is None:
        return ()
    return tuple(
        r.CheckFact(
            name=c.name,
            argv=c.argv,
            cwd=c.cwd,
            exit_code=c.exit_code,
            why=c.why or None,
            tree=TreeDigest(git_tree=report.tree),
            log=_digest(c.log_sha256),
            started_at=c.started_at,
            duration_ms=c.duration_ms,
        )
        for c in report.results
    )


def _reviews(pack: EvidencePack) -> tuple[r.ReviewFact, ...]:
    report = pack.turns[-1].report if pack.turns else None
    return tuple(
        r.ReviewFact(
            agent=review.agent,
            kind=review.kind,
            approved=review.approved,
            scripted=review.scripted,
            remarks=len(review.remarks),
            tree=TreeDigest(git_tree=report.tree),
            transcript=_digest(review.transcript_sha256),
        )
        for review in (report.reviews if report else ())
        if report is not None
    )


def _approval(answer: ApprovalRecord, pack: EvidencePack, run: Run) -> r.ApprovalFact:
    before_run = answer.gate == "run"
    scope = r.ApprovalScope(
        base=run.base or None if before_run else None,
        git_commit=run.head or None if not before_run else None,
        raw_diff=pack.change.digest if pack.change and not before_run else None,
        policy=pack.policy_sha256,
        plan=sha256_of(pack.plan) or None,
    )
    return r.ApprovalFact(
        gate=answer.gate,
        decision=answer.decision,
        by=answer.by,
        authn="os-user",
        over=scope,
        carried=answer.carried,
        at=answer.at,
        ref=f"sha256:{answer.subject}",
    )
