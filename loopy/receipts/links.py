"""One link of the chain: each receipt names the signed bytes of the one before it."""

from __future__ import annotations

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import Statement
from loopy.receipts import dsse
from loopy.receipts.findings import Finding, claim, finding
from loopy.receipts.reading import read_statement


def link(statement: Statement, previous: bytes) -> Finding:
    """Return whether `statement` follows the receipt in the envelope `previous`.

    The digest carries this receipt's signature over to the earlier bytes, so that envelope's own is not needed here.
    """
    chain = statement.predicate.chain
    try:
        envelope = dsse.parse(previous)
    except ReceiptError as error:
        return finding("chain", False, f"the previous receipt cannot be read: {error}")
    before = read_statement(envelope.payload).statement
    if before is None:
        return finding("chain", False, "the previous receipt is not a ship receipt of this version")
    earlier = before.predicate.chain
    if (earlier.log, earlier.seq + 1) != (chain.log, chain.seq):
        text = f"number {chain.seq} of log {chain.log!r} does not follow number {earlier.seq} of log {earlier.log!r}"
        return finding("chain", False, text)
    same = chain.previous is not None and chain.previous.sha256 == envelope.digest
    yes, no = f"number {chain.seq} follows number {earlier.seq}", f"number {earlier.seq} is not the one that was signed"
    return claim("chain", same, yes, no)
