"""The notary: turns a statement into a signed receipt, fast and without any input or output."""

from __future__ import annotations

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import SignedReceipt, Statement
from loopy.domain.states import Verdict
from loopy.receipts import dsse, sshsig
from loopy.receipts.findings import failures
from loopy.receipts.keys import SigningKey
from loopy.receipts.semantics import agreement


class Notary:
    """Signs for one installation. Making one loads the libraries, so that `sign` never waits inside a transaction."""

    def __init__(self, key: SigningKey, install_id: str) -> None:
        self._key = key
        self._install_id = install_id
        dsse.seal(b"{}", key)
        sshsig.sign(key, b"{}")

    @property
    def public_line(self) -> str:
        """The public key that verifies what this notary signs."""
        return self._key.public_line

    def sign(self, statement: Statement) -> SignedReceipt:
        """Return the signed receipt; the same statement always gives the same bytes.

        Raises ReceiptError for another installation's statement, for a PASSED that contradicts its own facts, and
        for one too large to be read back.
        """
        if statement.predicate.loopy.host != self._install_id:
            raise ReceiptError("receipt", f"names the installation {statement.predicate.loopy.host}, not this one")
        wrong = failures(agreement(statement)) if statement.predicate.verdict is Verdict.PASSED else ()
        if wrong:
            raise ReceiptError("receipt", f"PASSED would not be true: {'; '.join(found.text for found in wrong)}")
        payload = statement.to_bytes()
        envelope = dsse.seal(payload, self._key)
        return SignedReceipt(
            statement_bytes=payload,
            envelope_bytes=envelope,
            sshsig_bytes=sshsig.sign(self._key, payload),
            digest=dsse.digest(payload),
        )
