"""Effects, approvals, receipts, cooldowns, workers and the audit log inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Text, bindparam, insert, select, true, update

from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import LostError, StoreError
from loopy.domain.evidence import ApprovalRecord
from loopy.domain.run import Run
from loopy.engine.books import Approval, Cooldown, ReceiptRow, Worker
from loopy.store import schema as s
from loopy.store.rows import as_json, effect_of, moment, moment_of, seconds
from loopy.store.session import Prepared, Session, insertion

OF_RUN = bindparam("run", type_=Text)
_EFFECTS_OF = select(s.effect).where(s.effect.c.run == OF_RUN).order_by(s.effect.c.kind, s.effect.c.ordinal)
EFFECTS_OF, EFFECTS_OF_KIND = Prepared(_EFFECTS_OF), Prepared(_EFFECTS_OF.where(s.effect.c.kind == bindparam("kind")))
INTEND = insertion(
    s.effect, "run", "kind", "ordinal", "state", "token", "commit", "target", "ref", "expected", "detail", "at"
)
_EFFECT = (
    s.effect.c.run == bindparam("of"),
    s.effect.c.kind == bindparam("of_kind"),
    s.effect.c.ordinal == bindparam("nth"),
    s.effect.c.state == bindparam("seen"),
)
SETTLE = Prepared(update(s.effect).where(*_EFFECT).values(state=bindparam("state"), detail=bindparam("detail")))
APPROVALS_OF = Prepared(select(s.approval).where(s.approval.c.run == OF_RUN).order_by(s.approval.c.id))
RECEIPT_OF = Prepared(select(s.receipt).where(s.receipt.c.run == OF_RUN))
NEWEST = Prepared(select(s.receipt.c.seq, s.receipt.c.digest).order_by(s.receipt.c.seq.desc()).limit(1))
SEALED = ("seq", "run", "verdict", "digest", "previous", "statement", "envelope", "sshsig")
ADD_RECEIPT = insertion(s.receipt, *SEALED, "at")
PUSHED = Prepared(update(s.receipt).where(s.receipt.c.run == bindparam("of")).values(pushed_at=bindparam("pushed_at")))
UNPUSHED = select(s.receipt).where(s.receipt.c.pushed_at.is_(None)).order_by(s.receipt.c.seq)
COOLDOWNS = Prepared(select(s.cooldown))
WORKERS = Prepared(select(s.worker).where(s.worker.c.closed_at.is_(None)).order_by(s.worker.c.started_at))
UNPROVEN = (s.cooldown.c.account == bindparam("of_account"), s.cooldown.c.proven.is_(False))
PROVE = Prepared(update(s.cooldown).where(*UNPROVEN).values(proven=true(), until=bindparam("until")))
AUDIT = insertion(s.audit, "at", "by", "what", "subject", "facts")


class SqlEffects:
    """`engine.graph.Effects` on a connection."""

    def __init__(self, session: Session) -> None:
        self._c = session

    def of(self, run_id: str, kind: EffectKind | None = None) -> Sequence[Effect]:
        query = EFFECTS_OF_KIND if kind else EFFECTS_OF
        return [effect_of(r) for r in self._c.execute(query, {"run": run_id, "kind": kind})]

    def intend(self, effect: Effect) -> None:
        names = ("run", "kind", "ordinal", "state", "token", "commit", "target", "ref", "expected", "detail")
        row = {name: getattr(effect, name) for name in names}
        self._c.execute(INTEND, row | {"at": seconds(effect.at)})

    def settle(self, effect: Effect, state: EffectState, detail: str = "") -> Effect:
        key = {"of": effect.run, "of_kind": effect.kind, "nth": effect.ordinal, "seen": effect.state}
        if self._c.execute(SETTLE, {"state": state, "detail": detail, **key}).rowcount != 1:
            raise LostError(effect.key, "the effect was settled by somebody else")
        return replace(effect, state=state, detail=detail)


class SqlApprovals:
    """`engine.graph.Approvals` on a connection."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._c, self._now = session, now

    def open(self, run: Run, gate: str, subject: str, text: str) -> Approval:
        for known in self.of(run.id):
            if (known.gate, known.subject) == (gate, subject):
                return known
        row = {"run": run.id, "gate": gate, "subject": subject, "text": text, "opened_at": seconds(self._now)}
        self._c.execute(insert(s.approval), [row])
        return self.of(run.id)[-1]

    def of(self, run_id: str) -> Sequence[Approval]:
        rows = self._c.execute(APPROVALS_OF, {"run": run_id})
        return [_approval_of(r) for r in rows]

    def waiting(self) -> Sequence[Approval]:
        """Return every open approval, oldest first."""
        rows = self._c.execute(select(s.approval).where(s.approval.c.decision.is_(None)))
        return sorted((_approval_of(r) for r in rows), key=lambda a: a.id)  # `ORDER BY id` would walk all the answered

    def answer(self, approval: Approval, record: ApprovalRecord) -> bool:
        where = (s.approval.c.id == approval.id, s.approval.c.decision.is_(None))
        values = {"decision": record.decision, "by": record.by, "note": record.note, "answered_at": seconds(record.at)}
        return bool(self._c.execute(update(s.approval).where(*where).values(values)).rowcount == 1)


def _approval_of(row: Row[Any]) -> Approval:
    answer = None
    if row.decision:
        answer = ApprovalRecord(
            gate=row.gate,
            decision=row.decision,
            by=row.by,
            at=moment_of(row.answered_at),
            subject=row.subject,
            note=row.note,
        )
    return Approval(row.id, row.run, row.gate, row.subject, row.text, moment_of(row.opened_at), answer)


class SqlReceipts:
    """`engine.graph.Receipts` on a connection."""

    def __init__(self, session: Session) -> None:
        self._c = session

    def head(self) -> tuple[int, str]:
        row = self._c.execute(NEWEST).first()
        return (row.seq, row.digest) if row else (0, "")

    def add(self, row: ReceiptRow) -> None:
        values = {name: getattr(row, name) for name in SEALED}
        self._c.execute(ADD_RECEIPT, values | {"at": seconds(row.at)})

    def of(self, run_id: str) -> ReceiptRow | None:
        """Return a run's receipt."""
        row = self._c.execute(RECEIPT_OF, {"run": run_id}).first()
        return _receipt_of(row) if row else None

    def since(self, seq: int, limit: int) -> Sequence[ReceiptRow]:
        """Return the receipts after this number, oldest first."""
        rows = self._c.execute(select(s.receipt).where(s.receipt.c.seq > seq).order_by(s.receipt.c.seq).limit(limit))
        return [_receipt_of(r) for r in rows]

    def unpushed(self, limit: int = 20) -> Sequence[ReceiptRow]:
        """Return receipts that are not in their repository yet, oldest first."""
        return [_receipt_of(r) for r in self._c.execute(UNPUSHED.limit(limit))]

    def pushed(self, run_id: str, at: datetime) -> None:
        """Note that the receipt is in its repository (or has none to go to)."""
        self._c.execute(PUSHED, {"of": run_id, "pushed_at": seconds(at)})


def _receipt_of(row: Row[Any]) -> ReceiptRow:
    return ReceiptRow(
        seq=row.seq,
        run=row.run,
        verdict=row.verdict,
        digest=row.digest,
        previous=row.previous,
        statement=bytes(row.statement),
        envelope=bytes(row.envelope),
        sshsig=bytes(row.sshsig),
        at=moment_of(row.at),
        pushed_at=moment(row.pushed_at),
    )


class SqlFleet:
    """`engine.graph.Fleetbook` on a connection."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._c, self._now = session, now

    def cooldowns(self) -> Mapping[str, Cooldown]:
        rows = self._c.execute(COOLDOWNS)
        return {r.account: Cooldown(r.account, moment_of(r.until), r.proven, r.why) for r in rows}

    def cool(self, account: str, until: datetime, why: str) -> None:
        known = self.cooldowns().get(account)
        if known is None:
            row = {"account": account, "until": seconds(until), "proven": False, "why": why}
            self._c.execute(insert(s.cooldown), [row])
            return
        values = {"until": seconds(max(until, known.until)), "proven": False, "why": why}
        self._c.execute(update(s.cooldown).where(s.cooldown.c.account == account).values(values))

    def thaw(self, account: str) -> None:
        ended = update(s.cooldown).where(s.cooldown.c.account == account, s.cooldown.c.until > seconds(self._now))
        self._c.execute(ended.values(until=seconds(self._now)))

    def prove(self, account: str) -> None:
        self._c.execute(PROVE, {"of_account": account, "until": seconds(self._now)})

    def workers(self) -> Sequence[Worker]:
        rows = self._c.execute(WORKERS)
        return [
            Worker(r.id, r.host, r.pid, moment_of(r.started_at), tuple(r.queues.split(",")), r.version) for r in rows
        ]

    def add_worker(self, worker: Worker) -> None:
        row = {"id": worker.id, "host": worker.host, "pid": worker.pid, "queues": ",".join(worker.queues)}
        row |= {"started_at": seconds(worker.started_at), "version": worker.version}
        self._c.execute(insert(s.worker), [row])

    def close_worker(self, worker_id: str) -> None:
        change = update(s.worker).where(s.worker.c.id == worker_id, s.worker.c.closed_at.is_(None))
        self._c.execute(change.values(closed_at=seconds(self._now)))

    def audit(self, by: str, what: str, subject: str, facts: Mapping[str, Any] | None = None) -> None:
        if not what:
            raise StoreError("audit", "an entry needs a verb")
        row = {"at": seconds(self._now), "by": by, "what": what, "subject": subject, "facts": as_json(facts)}
        self._c.execute(AUDIT, row)
