"""Who signed: the envelope's signatures, the SSHSIG beside it, and whether those keys could sign at that time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from loopy.domain.errors import ReceiptError
from loopy.receipts import dsse, sshsig
from loopy.receipts.bundle import Bundle
from loopy.receipts.dsse import Envelope
from loopy.receipts.findings import Finding, claim, finding
from loopy.receipts.signers import TrustedKey, trusted_key
from loopy.receipts.sshwire import NAMESPACE, fingerprint


@dataclass(frozen=True, slots=True)
class Trust:
    """What the verifier brings along: keys, the fingerprints of revoked ones, and the time to judge keys at."""

    keys: Sequence[TrustedKey]
    revoked: Collection[str]
    moment: datetime | None

    def of(self, keyid: str) -> tuple[TrustedKey, ...]:
        """Return the entries for a fingerprint; one key may have several, say for two spans of time."""
        return tuple(key for key in self.keys if key.fingerprint == keyid)

    def standing(self, name: str, keyid: str) -> Finding:
        """Return whether the known key `keyid`, which did sign, was allowed to."""
        if keyid in self.revoked:
            return finding(name, False, f"the key {keyid} is revoked")
        keys = [key for key in self.of(keyid) if key.allows(NAMESPACE)]
        if not keys:
            return finding(name, False, f"the key {keyid} may not sign in the namespace {NAMESPACE}")
        if self.moment is None:
            return finding(name, None, f"made by {keyid}, but the statement does not say when")
        valid = [key for key in keys if key.is_valid_at(self.moment)]
        no = f"the key {keyid} was not valid at {self.moment:%Y-%m-%d %H:%M:%SZ}"
        return claim(name, bool(valid), f"made by {keys[0].identity} ({keyid})", no)


def envelope_signatures(envelope: Envelope, bundle: Bundle, trust: Trust) -> Iterator[Finding]:
    """Return a finding for every signature of the envelope: one that does not hold spoils the whole."""
    for keyid in envelope.signatures:
        keys = trust.of(keyid)
        if not keys:
            yield _of_a_stranger(envelope, bundle, keyid)
        elif not dsse.is_signed(envelope, keys[0].public, keyid):
            yield finding("signature", False, f"was not made by the key it names, {keyid}, over this payload")
        else:
            yield trust.standing("signature", keyid)


def files_beside(envelope: Envelope, bundle: Bundle, trust: Trust) -> Iterator[Finding]:
    """Return a finding for each file that repeats the envelope: statement, SSHSIG, public key."""
    if bundle.statement is not None:
        same = bundle.statement == envelope.payload
        yield claim("statement file", same, "holds the signed bytes", "does not hold the signed bytes")
    if bundle.sshsig is not None:
        yield _sshsig(bundle.sshsig, envelope.payload, trust)
    if bundle.signer is not None:
        key = _signer(bundle)
        named = key is not None and key.fingerprint in envelope.signatures
        yield claim("public key file", named, "is a signer's", "is not the key of a signer")


def _of_a_stranger(envelope: Envelope, bundle: Bundle, keyid: str) -> Finding:
    key = _signer(bundle)
    if key is None or key.fingerprint != keyid:
        return finding("signature", None, f"made by the unknown key {keyid}; give or pin that key to verify")
    if not dsse.is_signed(envelope, key.public, keyid):
        return finding("signature", False, "was not made by the key in the file beside it")
    text = f"made by the key beside it, {keyid}, but nothing says whose that is; ask the signer and pin it"
    return finding("signature", None, text)


def _signer(bundle: Bundle) -> TrustedKey | None:
    try:
        return trusted_key((bundle.signer or b"").decode("utf-8", "replace"))
    except ReceiptError:
        return None


def _sshsig(armoured: bytes, payload: bytes, trust: Trust) -> Finding:
    try:
        signature = sshsig.parse(armoured)
    except ReceiptError as error:
        return finding("ssh signature", False, str(error))
    if signature.namespace != NAMESPACE:
        return finding("ssh signature", False, f"is for the namespace {signature.namespace[:80]!r}, not {NAMESPACE}")
    if not sshsig.is_signed(signature, payload):
        return finding("ssh signature", False, "was not made over the signed bytes")
    keyid = fingerprint(signature.public)
    if not trust.of(keyid):
        return finding("ssh signature", None, f"made by the unknown key {keyid}; give or pin that key to verify")
    return trust.standing("ssh signature", keyid)
