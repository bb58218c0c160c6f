"""The DSSE v1 envelope: what is signed is PAE(type, payload), so the envelope's own spelling carries no meaning.

securesystemslib does the encoding and the mathematics; this module adds one strict spelling, so that no two
different texts are accepted as the same envelope's parts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import canonical_json
from loopy.receipts.keys import SigningKey
from loopy.receipts.sshwire import strict_base64
from loopy.receipts.strictjson import SIZE_LIMIT_BYTES, load_object

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SIGNATURES_LIMIT = 8
WHERE = "receipt envelope"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope: the payload's bytes and each signature's raw bytes by its key id."""

    payload: bytes
    signatures: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of the signed bytes: the receipt's name in the chain."""
        return digest(self.payload)


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed for an in-toto payload."""
    from securesystemslib.dsse import Envelope as Dsse

    return Dsse(payload, PAYLOAD_TYPE, {}).pae()


def digest(payload: bytes) -> str:
    """Return SHA-256 of the signed bytes, in hex."""
    return hashlib.sha256(pae(payload)).hexdigest()


def seal(payload: bytes, *keys: SigningKey) -> bytes:
    """Return the envelope's JSON with one signature per key; ReceiptError if it would be too large to read back."""
    from securesystemslib.dsse import Envelope as Dsse
    from securesystemslib.signer import Signature  # type: ignore[attr-defined]  # exported without saying so

    envelope = Dsse(payload, PAYLOAD_TYPE, {})
    signed = envelope.pae()
    for key in keys:
        envelope.signatures[key.fingerprint] = Signature(key.fingerprint, key.sign_raw(signed).hex())
    sealed = canonical_json(envelope.to_dict())
    if len(sealed) > SIZE_LIMIT_BYTES:
        raise ReceiptError(WHERE, f"has {len(sealed):,} bytes", hint=f"at most {SIZE_LIMIT_BYTES:,} are read back")
    return sealed


def parse(data: bytes) -> Envelope:
    """Return the envelope in `data`; nothing is verified yet. Raises ReceiptError for any other shape."""
    found = load_object(data, WHERE)
    _exactly(found, {"payload": str, "payloadType": str, "signatures": list}, WHERE)
    if found["payloadType"] != PAYLOAD_TYPE:
        raise ReceiptError(WHERE, f"holds {found['payloadType'][:80]!r}", hint=f"expected {PAYLOAD_TYPE}")
    if not 1 <= len(found["signatures"]) <= SIGNATURES_LIMIT:
        raise ReceiptError(WHERE, f"has {len(found['signatures'])} signatures", hint=f"1 to {SIGNATURES_LIMIT}")
    signatures: dict[str, bytes] = {}
    for entry in found["signatures"]:
        _exactly(entry, {"keyid": str, "sig": str}, "receipt signature")
        if entry["keyid"] in signatures:
            raise ReceiptError(WHERE, "has two signatures of one key")
        signatures[entry["keyid"]] = strict_base64(entry["sig"], "receipt signature")
    return Envelope(strict_base64(found["payload"], "receipt payload"), signatures)


def is_signed(envelope: Envelope, public: bytes, keyid: str) -> bool:
    """Whether the signature under `keyid` was made by the raw Ed25519 key `public` over this payload."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined]  # as above

    signature = Signature(keyid, envelope.signatures[keyid].hex())
    try:
        key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(public), keyid=keyid)
        key.verify_signature(signature, pae(envelope.payload))
    except UnverifiedSignatureError:  # the parent of VerificationError, which covers a malformed signature
        return False
    return True


def _exactly(found: Any, kinds: Mapping[str, type], where: str) -> None:
    if not isinstance(found, dict) or found.keys() != kinds.keys():
        raise ReceiptError(where, f"does not have exactly the fields {', '.join(kinds)}")
    for field, kind in kinds.items():
        if not isinstance(found[field], kind):
            raise ReceiptError(where, f"has a {field} of the wrong kind")
