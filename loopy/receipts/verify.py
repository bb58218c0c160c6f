"""Verifying a receipt from nothing but what is given: no database, no network, no clock, no configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from loopy.domain.errors import NotFoundError, ReceiptError
from loopy.domain.statement import Statement
from loopy.receipts import bundle as bundles
from loopy.receipts import dsse
from loopy.receipts.against_git import GitReader, against_git
from loopy.receipts.bundle import Bundle
from loopy.receipts.files import compared
from loopy.receipts.findings import Finding, Verification, finding
from loopy.receipts.links import link
from loopy.receipts.reading import read_statement
from loopy.receipts.semantics import admissions, agreement
from loopy.receipts.signatures import Trust, envelope_signatures, files_beside
from loopy.receipts.signers import TrustedKey
from loopy.receipts.times import CLOCK_SLACK, doubts


def verify(
    receipt: Path | bytes | Bundle,
    *,
    signers: Sequence[TrustedKey],
    now: datetime,
    repo: GitReader | None = None,
    previous: bytes | None = None,
    revoked: Collection[str] = (),
) -> Verification:
    """Return what can be said about a receipt, given as path, as the envelope's bytes, or as a bundle.

    `signers` are the keys to trust, `revoked` fingerprints to trust no more. With `repo`, commit, tree, raw diff and
    ancestry are compared; with `previous`, the envelope of the receipt before, the chain is. `now` is aware. Nothing
    that a receipt can hold makes this raise: it becomes a finding.
    """
    try:
        given = _bundle(receipt)
        envelope = dsse.parse(given.envelope)
    except (NotFoundError, ReceiptError) as error:
        lost = isinstance(error, NotFoundError)
        return Verification((finding("file", None, str(error)) if lost else finding("envelope", False, str(error)),))
    read = read_statement(envelope.payload)
    statement = read.statement
    trust = Trust(signers, revoked, statement.predicate.time_shipped if statement else None)
    signatures = tuple(envelope_signatures(envelope, given, trust))
    findings = (*signatures, *files_beside(envelope, given, trust), *read.findings)
    signed_by = ", ".join(found.text for found in signatures if found.ok)
    if statement is None:
        return Verification(findings, signed_by=signed_by)
    files, missing = compared(statement, given.folder)
    skipped = _not_checked(statement, with_repo=repo is not None, with_previous=previous is not None)
    outside = against_git(statement, repo) if repo else ()
    before = (link(statement, previous),) if previous is not None else ()
    said = (_time(statement, now), *agreement(statement, read.predicate), *outside, *before, *files)
    notes = (*doubts(statement, repo, previous), *admissions(statement.predicate))
    untold = (*skipped, *_lacking(missing))
    return Verification((*findings, *said), statement, signed_by, notes, untold)


def _bundle(receipt: Path | bytes | Bundle) -> Bundle:
    match receipt:
        case Bundle():
            return receipt
        case bytes():
            return Bundle(receipt)
        case _:
            return bundles.read(receipt)


def _time(statement: Statement, now: datetime) -> Finding:
    shipped = statement.predicate.time_shipped
    if shipped > now + CLOCK_SLACK:
        text = f"{shipped:%Y-%m-%d %H:%M:%SZ} lies in the future: the signer's clock or this one is wrong"
        return finding("time", None, text)
    return finding("time", True, f"{shipped:%Y-%m-%d %H:%M:%SZ}, as the signer says")


def _not_checked(statement: Statement, *, with_repo: bool, with_previous: bool) -> Iterator[str]:
    if statement.commit and not with_repo:
        yield "commit, tree, raw diff and ancestry were not compared with a repository"
    chain = statement.predicate.chain
    if chain.previous and not with_previous:
        yield f"the link to receipt {chain.seq - 1} of log {chain.log!r} was not followed"


def _lacking(missing: Sequence[str]) -> Iterator[str]:
    if missing:
        yield f"not beside the receipt, so not digested: {', '.join(missing)}"
