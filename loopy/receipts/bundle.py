"""A receipt on disk: the envelope, the statement it holds, the SSHSIG over the statement, and the signer's key.

The envelope alone is the receipt. The other three repeat it in the form that `ssh-keygen -Y verify` reads.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from loopy.domain.errors import NotFoundError, ReceiptError
from loopy.domain.statement import SignedReceipt
from loopy.process.durable import sync_folder, write_whole
from loopy.receipts.strictjson import SIZE_LIMIT_BYTES

ENVELOPE = "receipt.dsse.json"
STATEMENT = "receipt.statement.json"
SSHSIG = "receipt.statement.json.sig"
SIGNER = "signer.pub"


@dataclass(frozen=True, slots=True)
class Bundle:
    """The bytes of a receipt; only the envelope must be there."""

    envelope: bytes
    statement: bytes | None = None
    sshsig: bytes | None = None
    signer: bytes | None = None
    folder: Path | None = field(default=None, compare=False)  # where the files of evidence may lie beside the receipt


def write(folder: Path, receipt: SignedReceipt, public_line: str) -> Path:
    """Write the four files, each whole or not at all, and return the envelope's path.

    The envelope comes last, so where it is, the others are; writing the same receipt again changes nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SIGNER, f"{public_line}\n".encode())
    write_whole(folder / STATEMENT, receipt.statement_bytes)
    write_whole(folder / SSHSIG, receipt.sshsig_bytes)
    write_whole(folder / ENVELOPE, receipt.envelope_bytes)
    sync_folder(folder)
    return folder / ENVELOPE


def read(path: Path) -> Bundle:
    """Return the receipt at `path`, a folder that `write` filled or an envelope's own file.

    Beside a file named `receipt.dsse.json` the other three are read too. Raises NotFoundError if there is no file,
    ReceiptError if one is too large or not a regular file.
    """
    envelope = path / ENVELOPE if path.is_dir() else path
    found = _get(envelope)
    if found is None:
        raise NotFoundError(str(envelope), "there is no receipt", hint="give the receipt's file or its folder")
    if envelope.name != ENVELOPE:
        return Bundle(found)
    statement, sshsig, signer = (_get(envelope.parent / name) for name in (STATEMENT, SSHSIG, SIGNER))
    return Bundle(found, statement, sshsig, signer, envelope.parent)


def _get(path: Path) -> bytes | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not hold us up
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotFoundError(str(path), f"cannot be read: {error.strerror}") from error
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ReceiptError(str(path), "is not a regular file")
        data = file.read(SIZE_LIMIT_BYTES + 1)
    if len(data) > SIZE_LIMIT_BYTES:
        raise ReceiptError(str(path), f"is larger than {SIZE_LIMIT_BYTES:,} bytes")
    return data
