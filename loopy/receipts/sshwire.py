"""SSH's wire format for Ed25519 keys: public blobs, public lines and fingerprints."""

from __future__ import annotations

import base64
import binascii
import hashlib

from loopy.domain.errors import ReceiptError

KEY_TYPE = b"ssh-ed25519"
NAMESPACE = "loopy-ship-receipt"  # of SSHSIG signatures over receipts


def pack(*strings: bytes) -> bytes:
    """Return SSH strings: each preceded by its length in four bytes (RFC 4251 §5)."""
    return b"".join(len(s).to_bytes(4, "big") + s for s in strings)


def unpack(data: bytes, count: int) -> tuple[bytes, ...]:
    """Return exactly `count` SSH strings that fill `data`; ReceiptError if they do not."""
    strings, at = [], 0
    for _ in range(count):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            raise ReceiptError("ssh data", "ends too early")
        strings.append(data[at + 4 : end])
        at = end
    if at != len(data):
        raise ReceiptError("ssh data", "goes on after its end")
    return tuple(strings)


def public_blob(public: bytes) -> bytes:
    """Return the SSH blob of a raw 32-byte Ed25519 public key (RFC 8709 §4)."""
    return pack(KEY_TYPE, public)


def public_from_blob(blob: bytes) -> bytes:
    """Return the raw 32-byte key of an SSH blob; ReceiptError for any other kind of key."""
    kind, public = unpack(blob, 2)
    if kind != KEY_TYPE or len(public) != 32:
        raise ReceiptError("ssh key", "is not an Ed25519 key")
    return public


def fingerprint(public: bytes) -> str:
    """Return the key's name as `ssh-keygen -l` prints it: "SHA256:…"."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_blob(public)).digest()).decode().rstrip("=")


def public_line(public: bytes, comment: str = "") -> str:
    """Return the line of a `.pub` file, without its newline."""
    return f"ssh-ed25519 {base64.b64encode(public_blob(public)).decode()} {comment}".rstrip()


def public_from_base64(text: str) -> bytes:
    """Return the raw key from the middle field of a public line."""
    return public_from_blob(strict_base64(text, "ssh key"))


def strict_base64(text: str, where: str) -> bytes:
    """Return the bytes of standard padded base64, refusing every second spelling of them."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ReceiptError(where, "is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ReceiptError(where, "is base64 in an unusual spelling")
    return data
