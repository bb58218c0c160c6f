"""Verifying a whole log: every receipt by itself, every link, the beginning, and the end if it is known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import pairwise

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import Statement
from loopy.receipts import dsse
from loopy.receipts.findings import Finding, Verification, claim, finding
from loopy.receipts.signers import TrustedKey
from loopy.receipts.verify import verify


def verify_chain(
    envelopes: Sequence[bytes],
    *,
    signers: Sequence[TrustedKey],
    now: datetime,
    head: str | None = None,
    revoked: Collection[str] = (),
) -> Verification:
    """Return what can be said about the receipts of one log, given in order.

    A log cannot show by itself that its end was cut off: `head`, the digest of the last receipt as somebody else
    kept it, can. The result's `statement` is the last receipt's.
    """
    findings: list[Finding] = []
    notes: list[str] = []
    last: Statement | None = None
    for before, envelope in pairwise((None, *envelopes)):
        found = verify(envelope or b"", signers=signers, now=now, previous=before, revoked=revoked)
        last = found.statement
        label = f"#{last.predicate.chain.seq}" if last else "#?"
        findings += [Finding(f"{label} {each.name}", each.ok, each.text) for each in found.findings]
        notes += [f"{label} {note}" for note in found.notes]
        if before is None and last is not None:
            seq = last.predicate.chain.seq
            findings.append(finding("beginning", True if seq == 1 else None, f"the log given begins at number {seq}"))
    if not envelopes:
        return Verification((finding("log", None, "no receipts were given"),))
    if head is not None:
        findings.append(_end(envelopes[-1], head))
    unseen = () if head is not None else ("whether the log goes on after the last receipt given",)
    return Verification(tuple(findings), statement=last, notes=tuple(notes), not_checked=unseen)


def _end(envelope: bytes, head: str) -> Finding:
    try:
        digest = dsse.parse(envelope).digest
    except ReceiptError as error:
        return finding("end", False, str(error))
    return claim("end", digest == head, f"the log ends at {head}", f"the log ends at {digest}, not at the known {head}")
