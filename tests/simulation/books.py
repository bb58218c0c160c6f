"""The smaller books of the in-memory graph: effects, approvals, receipts, cooldowns, workers, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.errors import LostError, StoreError
from loopy.domain.evidence import ApprovalRecord
from loopy.domain.run import Run
from loopy.engine.books import Approval, Cooldown, ReceiptRow, Worker
from tests.simulation.rows import Rows


@dataclass
class MemoryEffects:
    """`engine.books.Effects` over `Rows`."""

    rows: Rows

    def of(self, run_id: str, kind: EffectKind | None = None) -> Sequence[Effect]:
        mine = [e for e in self.rows.effects.values() if e.run == run_id and kind in (None, e.kind)]
        return sorted(mine, key=lambda e: (e.kind, e.ordinal))

    def intend(self, effect: Effect) -> None:
        key = (effect.run, effect.kind, effect.ordinal)
        if key in self.rows.effects:
            raise StoreError(effect.key, "is on record already")
        self.rows.effects[key] = effect

    def settle(self, effect: Effect, state: EffectState, detail: str = "") -> Effect:
        key = (effect.run, effect.kind, effect.ordinal)
        if key not in self.rows.effects or self.rows.effects[key].state is not effect.state:
            raise LostError(effect.key, "the effect was settled by somebody else")
        self.rows.effects[key] = replace(self.rows.effects[key], state=state, detail=detail)
        return replace(effect, state=state, detail=detail)


@dataclass
class MemoryApprovals:
    """`engine.books.Approvals` over `Rows`."""

    rows: Rows
    now: datetime

    def open(self, run: Run, gate: str, subject: str, text: str) -> Approval:
        for known in self.of(run.id):
            if (known.gate, known.subject) == (gate, subject):
                return known
        n = 1 + max(self.rows.approvals, default=0)
        self.rows.approvals[n] = Approval(n, run.id, gate, subject, text, self.now)
        return self.rows.approvals[n]

    def of(self, run_id: str) -> Sequence[Approval]:
        return sorted((a for a in self.rows.approvals.values() if a.run == run_id), key=lambda a: a.id)

    def answer(self, approval: Approval, record: ApprovalRecord) -> bool:
        if self.rows.approvals[approval.id].answer is not None:
            return False
        self.rows.approvals[approval.id] = replace(self.rows.approvals[approval.id], answer=record)
        return True


@dataclass
class MemoryReceipts:
    """`engine.books.Receipts` over `Rows`."""

    rows: Rows

    def head(self) -> tuple[int, str]:
        seq = max(self.rows.receipts, default=0)
        return (seq, self.rows.receipts[seq].digest) if seq else (0, "")

    def add(self, row: ReceiptRow) -> None:
        taken = self.rows.receipts.values()
        if row.seq in self.rows.receipts or any(row.run == r.run or row.previous == r.previous for r in taken):
            raise StoreError(row.run, "the chain has such a link already")
        self.rows.receipts[row.seq] = row

    def of(self, run_id: str) -> ReceiptRow | None:
        return next((r for r in self.rows.receipts.values() if r.run == run_id), None)

    def since(self, seq: int, limit: int) -> Sequence[ReceiptRow]:
        return [r for _, r in sorted(self.rows.receipts.items()) if r.seq > seq][:limit]

    def unpushed(self, limit: int = 20) -> Sequence[ReceiptRow]:
        return [r for _, r in sorted(self.rows.receipts.items()) if r.pushed_at is None][:limit]

    def pushed(self, run_id: str, at: datetime) -> None:
        for seq, row in self.rows.receipts.items():
            if row.run == run_id:
                self.rows.receipts[seq] = replace(row, pushed_at=at)


@dataclass
class MemoryFleet:
    """`engine.books.Fleetbook` over `Rows`."""

    rows: Rows
    now: datetime

    def cooldowns(self) -> Mapping[str, Cooldown]:
        return self.rows.cooldowns

    def cool(self, account: str, until: datetime, why: str) -> None:
        known = self.rows.cooldowns.get(account)
        self.rows.cooldowns[account] = Cooldown(account, max(until, known.until) if known else until, False, why)

    def thaw(self, account: str) -> None:
        known = self.rows.cooldowns.get(account)
        if known and known.until > self.now:
            self.rows.cooldowns[account] = replace(known, until=self.now)

    def prove(self, account: str) -> None:
        known = self.rows.cooldowns.get(account)
        if known and not known.proven:
            self.rows.cooldowns[account] = replace(known, proven=True, until=self.now)

    def workers(self) -> Sequence[Worker]:
        return sorted(self.rows.workers.values(), key=lambda w: w.started_at)

    def add_worker(self, worker: Worker) -> None:
        self.rows.workers[worker.id] = worker

    def close_worker(self, worker_id: str) -> None:
        self.rows.workers.pop(worker_id, None)

    def audit(self, by: str, what: str, subject: str, facts: Mapping[str, Any] | None = None) -> None:
        if not what:
            raise StoreError("audit", "an entry needs a verb")
        self.rows.audit.append((self.now, by, what, subject, facts))
