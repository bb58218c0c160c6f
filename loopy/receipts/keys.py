"""The signing key: one Ed25519 key in OpenSSH format that nobody but its owner can read.

Invariant: whoever gets a `SigningKey` from here got it from a regular file, not through a link, that is closed to
group and world, in a directory that is closed too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from loopy.domain.errors import KeyFileError, ReceiptError
from loopy.receipts import sshwire

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_NAME = "ship_ed25519"
FILE_LIMIT_BYTES = 16 * 1024
NAMESPACES = ("git", sshwire.NAMESPACE)


class SigningKey:
    """An Ed25519 private key and the names that others know it by."""

    def __init__(self, private: Ed25519PrivateKey, comment: str) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self.fingerprint = sshwire.fingerprint(self.public)
        self.public_line = sshwire.public_line(self.public, comment)

    def __repr__(self) -> str:
        return f"SigningKey({self.fingerprint})"

    def sign_raw(self, data: bytes) -> bytes:
        """Return the 64-byte Ed25519 signature of `data`; callers separate their purposes inside `data`."""
        return self._private.sign(data)

    def allowed_signers_line(
        self, identity: str, *, valid_after: datetime | None = None, valid_before: datetime | None = None
    ) -> str:
        """Return this key's line for an `allowed_signers` file, good for receipts and git commits by `identity`."""
        if not identity or any(c in '#",*?!' or c.isspace() or not c.isprintable() for c in identity):
            raise ReceiptError("identity", f"{identity!r} is not one plain word", hint="such as name@example.org")
        options = [f'namespaces="{",".join(NAMESPACES)}"']
        for option, moment in (("valid-after", valid_after), ("valid-before", valid_before)):
            if moment:
                options.append(f'{option}="{moment.astimezone(UTC):%Y%m%d%H%M%SZ}"')
        return f"{identity} {','.join(options)} {self.public_line}"


def load_or_make(keys_dir: Path, install_id: str) -> SigningKey:
    """Return the key in `keys_dir`, making directory, key and `.pub` on first use; safe against a second maker.

    Raises KeyFileError, with the command that mends it, for a file or directory that is open to others, a link, not
    a regular file, another user's, or no unencrypted Ed25519 key.
    """
    try:
        keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _directory(keys_dir) as folder:
            data = _read(keys_dir, folder)
            if data is None:
                _publish(folder, KEY_NAME, _new_key(), mode=0o600, replace=False)
                data = _read(keys_dir, folder)  # ours, or that of another process which was first
            key = SigningKey(_parsed(keys_dir / KEY_NAME, data or b""), f"loopy@{install_id}")
            _publish_public(folder, key)
            return key
    except OSError as error:
        hint = "the directory must exist on a disk with hard links and be writable for you"
        raise KeyFileError(str(keys_dir), f"the signing key cannot be read or made: {error}", hint=hint) from error


@contextlib.contextmanager
def _directory(path: Path) -> Iterator[int]:
    if path.is_symlink() or not path.is_dir():
        raise KeyFileError(str(path), "is not a directory of its own", hint=f"remove it: rm {path}")
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _demand_private(path, os.fstat(folder), "700")
        yield folder
    finally:
        os.close(folder)


def _demand_private(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid != os.geteuid():
        raise KeyFileError(str(path), "belongs to another user", hint=f"chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) & 0o077:
        open_to = f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
        raise KeyFileError(str(path), open_to, hint=f"chmod {mode} {path}")


def _read(keys_dir: Path, folder: int) -> bytes | None:
    path = keys_dir / KEY_NAME
    try:
        kind = os.stat(KEY_NAME, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(kind):
        hint = f"move the key itself there, or remove it and let Loopy make a new one: rm {path}"
        raise KeyFileError(str(path), "is a link or a special file, not a key", hint=hint)
    handle = os.open(KEY_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())  # judged on the open file, so nobody can swap it in between
        if not stat.S_ISREG(found.st_mode):
            raise KeyFileError(str(path), "is a special file, not a key", hint=f"rm {path}")
        _demand_private(path, found, "600")
        return file.read(FILE_LIMIT_BYTES)


def _parsed(path: Path, data: bytes) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    hint = f"restore it from a backup, or set it aside and let Loopy make a new one: mv {path} {path}.old"
    try:
        private = load_ssh_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(str(path), "is not an OpenSSH key without a passphrase", hint=hint) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(str(path), "is not an Ed25519 key", hint=hint)
    return private


def _new_key() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    return private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _publish_public(folder: int, key: SigningKey) -> None:
    line = f"{key.public_line}\n".encode()
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(os.open(f"{KEY_NAME}.pub", flags, dir_fd=folder), "rb") as file:
            if file.read(FILE_LIMIT_BYTES) == line:
                return
    except OSError:
        pass  # missing or a link: written anew below, over the link and not through it
    _publish(folder, f"{KEY_NAME}.pub", line, mode=0o644, replace=True)


def _publish(folder: int, name: str, data: bytes, *, mode: int, replace: bool) -> None:
    """Put the whole file there at once; without `replace` whoever is first wins, and the loser's data is dropped."""
    draft = f".{name}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, mode, dir_fd=folder), "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask is
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            with contextlib.suppress(FileExistsError):
                os.link(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
