"""SSHSIG: the signature that `ssh-keygen -Y verify` reads, made and verified here without ssh-keygen.

Format: OpenSSH's PROTOCOL.sshsig. The namespace stands in the signed bytes, so a signature made for another purpose
(a git commit, a login) never counts as one over a receipt.
"""

from __future__ import annotations

import base64
import hashlib
import textwrap
from dataclasses import dataclass

from loopy.domain.errors import ReceiptError
from loopy.receipts.keys import SigningKey
from loopy.receipts.sshwire import KEY_TYPE, NAMESPACE, pack, public_blob, public_from_blob, strict_base64, unpack

MAGIC = b"SSHSIG"
VERSION = (1).to_bytes(4, "big")
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
SIZE_LIMIT_BYTES = 8192
WHERE = "ssh signature"


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A parsed SSHSIG; `public` is the key that it says it was made with."""

    public: bytes
    namespace: str
    hash_name: str
    signature: bytes


def sign(key: SigningKey, message: bytes, namespace: str = NAMESPACE) -> bytes:
    """Return the armoured signature of `message`, as `ssh-keygen -Y sign` would write it."""
    signature = pack(KEY_TYPE, key.sign_raw(_signed_bytes(message, namespace, "sha512")))
    fields = (public_blob(key.public), namespace.encode(), b"", b"sha512", signature)
    return _armour(MAGIC + VERSION + pack(*fields))


def parse(armoured: bytes) -> SshSignature:
    """Return the signature's parts; nothing is verified yet. Raises ReceiptError for any other shape."""
    blob = _unarmoured(armoured)
    if not blob.startswith(MAGIC + VERSION):
        raise ReceiptError(WHERE, "is not an SSHSIG of version 1")
    public, namespace, reserved, hash_name, signature = unpack(blob[len(MAGIC + VERSION) :], 5)
    kind, raw = unpack(signature, 2)
    if kind != KEY_TYPE or reserved or hash_name not in {b"sha256", b"sha512"}:
        raise ReceiptError(WHERE, "is not of the kind ssh-ed25519 over sha512 or sha256")
    return SshSignature(public_from_blob(public), namespace.decode("utf-8", "replace"), hash_name.decode(), raw)


def is_signed(signature: SshSignature, message: bytes) -> bool:
    """Whether the key named in the signature made it over `message`; whose key that is, the caller must know."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signed = _signed_bytes(message, signature.namespace, signature.hash_name)
    try:
        Ed25519PublicKey.from_public_bytes(signature.public).verify(signature.signature, signed)
    except InvalidSignature:
        return False
    return True


def _signed_bytes(message: bytes, namespace: str, hash_name: str) -> bytes:
    digest = hashlib.new(hash_name, message).digest()
    return MAGIC + pack(namespace.encode(), b"", hash_name.encode(), digest)


def _armour(blob: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 70)  # ssh-keygen writes 70 to a line
    return "\n".join([BEGIN, *lines, END, ""]).encode()


def _unarmoured(armoured: bytes) -> bytes:
    if len(armoured) > SIZE_LIMIT_BYTES:
        raise ReceiptError(WHERE, f"is larger than {SIZE_LIMIT_BYTES:,} bytes")
    lines = armoured.decode("ascii", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) < 4 or lines[0] != BEGIN or lines[-2:] != [END, ""]:
        raise ReceiptError(WHERE, f"does not stand between {BEGIN!r} and {END!r}")
    return strict_base64("".join(lines[1:-2]), WHERE)
