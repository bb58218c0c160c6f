"""The end of a run: head, receipt, verdict and ticket in one transaction that survives a power cut (rule 16)."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from loopy.domain.crashpoints import crashpoint
from loopy.domain.effect import Effect, EffectState
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict
from loopy.domain.ticket import Resolution
from loopy.engine.books import ReceiptRow
from loopy.engine.decide import Next
from loopy.engine.desk import Desk
from loopy.engine.graph import Tx
from loopy.engine.receipt import statement
from loopy.engine.story import gather


def end(desk: Desk, tx: Tx, run: Run, move: Next, policy_sha256: str) -> Run:
    """Sign and insert the receipt, end the run, close its ticket."""
    done = next((e for e in tx.effects.of(run.id) if e.state is EffectState.DONE), None)
    verdict = _verdict(tx, run, move, done)
    reason = "" if verdict is Verdict.PASSED else str(move.reason or run.reason or move.text or "nothing shipped")
    changes: dict[str, Any] = {
        "head": done.commit if done else "",
        "bare": run.bare or bool(move.changes.get("bare")),
    }
    changes |= {"state": RunState.ENDED, "verdict": verdict, "reason": reason, "ended_at": tx.now}
    changes |= {"owner": None, "token": run.token + 1, "wait": None, "wake_at": None}
    ended = tx.runs.move(run, "run.ended", move.text, {"verdict": verdict, "reason": reason}, **changes)
    seq, previous = tx.receipts.head()
    crashpoint("end.after_head")
    pack = gather(tx, ended, desk.fleet, desk.sandbox, policy_sha256)
    made = statement(tx, ended, pack, desk, seq + 1, previous, str(uuid.uuid4()), secrets.token_bytes(16))
    signed = desk.notary.sign(made)
    tx.receipts.add(
        ReceiptRow(
            seq=seq + 1,
            run=run.id,
            verdict=verdict,
            digest=signed.digest,
            previous=previous,
            statement=signed.statement_bytes,
            envelope=signed.envelope_bytes,
            sshsig=signed.sshsig_bytes,
            at=tx.now,
        )
    )
    if verdict is Verdict.PASSED:
        tx.tickets.change(run.ticket, closed_at=tx.now, resolution=Resolution.SHIPPED)
    return ended


def _verdict(tx: Tx, run: Run, move: Next, done: Effect | None) -> Verdict:
    """PASSED needs a shipped and read-back effect, and that is enough, whatever failed afterwards (rules 15, 18).

    A run that was cancelled before anything was intended is ABORTED (rule 13).
    """
    if run.verdict is Verdict.PASSED and done:
        return Verdict.PASSED
    verdict = move.verdict or run.verdict or Verdict.FAILED
    if verdict is Verdict.PASSED and not done:
        return Verdict.ABORTED if run.cancel and not tx.effects.of(run.id) else Verdict.FAILED
    return verdict
