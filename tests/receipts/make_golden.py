"""Make the golden receipts anew: `python -m tests.receipts.make_golden`.

The key is kept if it is there, so the bytes change only when the format or the examples do; look at the difference
before you commit it. A changed golden file of a released format is a broken promise.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from loopy.receipts import bundle

from .support import DATA, IDENTITY, TEST_KEY, demo_repo, golden_key, notary, refused, shipped


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    if not TEST_KEY.exists():
        private = Ed25519PrivateKey.generate()
        TEST_KEY.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key = golden_key()
    (DATA / "allowed_signers").write_text(key.allowed_signers_line(IDENTITY) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        repo = demo_repo(Path(folder) / "demo")
    first = notary(key).sign(shipped(repo))
    second = notary(key).sign(refused(first))
    for name, receipt in (("shipped", first), ("refused", second)):
        bundle.write(DATA / name, receipt, key.public_line)
        print(f"{name}: {len(receipt.envelope_bytes)} bytes, {receipt.digest}")


if __name__ == "__main__":
    main()
