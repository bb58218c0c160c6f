"""The graph's smaller books: effects, approvals, receipts, cooldowns, workers and the audit log, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from loopy.domain.effect import Effect, EffectKind, EffectState
from loopy.domain.evidence import ApprovalRecord
from loopy.domain.run import Run


@dataclass(frozen=True, slots=True)
class Cooldown:
    """An account that is cooling; unproven from a limit until the next success, and then one probe run at a time."""

    account: str
    until: datetime
    proven: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process: uuid per start, and the queues that it serves."""

    id: str
    host: str
    pid: int
    started_at: datetime
    queues: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A question for a person, open until answered; bound to `subject`."""

    id: int
    run: str
    gate: str
    subject: str
    text: str
    opened_at: datetime
    answer: ApprovalRecord | None = None


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A link of the receipt chain as stored."""

    seq: int
    run: str
    verdict: str
    digest: str
    previous: str
    statement: bytes
    envelope: bytes
    sshsig: bytes
    at: datetime
    pushed_at: datetime | None = None


class Effects(Protocol):
    """Intents and their ends."""

    def of(self, run_id: str, kind: EffectKind | None = None) -> Sequence[Effect]:
        """Return the run's effects in order of ordinal."""
        ...

    def intend(self, effect: Effect) -> None:
        """Insert an intent."""
        ...

    def settle(self, effect: Effect, state: EffectState, detail: str = "") -> Effect:
        """Set the effect's end."""
        ...


class Approvals(Protocol):
    """Gates and their answers."""

    def open(self, run: Run, gate: str, subject: str, text: str) -> Approval:
        """Ask a person, once per (run, gate, subject)."""
        ...

    def of(self, run_id: str) -> Sequence[Approval]:
        """Return all of the run's approvals."""
        ...

    def answer(self, approval: Approval, record: ApprovalRecord) -> bool:
        """Answer an open approval; False when somebody was first."""
        ...


class Receipts(Protocol):
    """The chain of receipts."""

    def head(self) -> tuple[int, str]:
        """Return (seq, digest) of the newest receipt, (0, "") for none; locked for this transaction."""
        ...

    def add(self, row: ReceiptRow) -> None:
        """Append; seq, previous and run are unique."""
        ...

    def of(self, run_id: str) -> ReceiptRow | None:
        """Return a run's receipt."""
        ...

    def since(self, seq: int, limit: int) -> Sequence[ReceiptRow]:
        """Return the receipts after this number, oldest first."""
        ...

    def unpushed(self, limit: int = 20) -> Sequence[ReceiptRow]:
        """Return receipts that are not in their repository yet, oldest first."""
        ...

    def pushed(self, run_id: str, at: datetime) -> None:
        """Note that the receipt is in its repository (or has none to go to)."""
        ...


class Fleetbook(Protocol):
    """Cooldowns of accounts, worker rows, and the audit log."""

    def cooldowns(self) -> Mapping[str, Cooldown]:
        """Return every account that was ever limited."""
        ...

    def cool(self, account: str, until: datetime, why: str) -> None:
        """Start (or lengthen) a cooldown; the account is unproven until it succeeds."""
        ...

    def thaw(self, account: str) -> None:
        """End a cooldown now; the account stays unproven."""
        ...

    def prove(self, account: str) -> None:
        """Note a success."""
        ...

    def workers(self) -> Sequence[Worker]:
        """Return the workers whose row is open."""
        ...

    def add_worker(self, worker: Worker) -> None:
        """Open a worker's row."""
        ...

    def close_worker(self, worker_id: str) -> None:
        """Close a worker's row."""
        ...

    def audit(self, by: str, what: str, subject: str, facts: Mapping[str, Any] | None = None) -> None:
        """Append to the audit log."""
        ...
