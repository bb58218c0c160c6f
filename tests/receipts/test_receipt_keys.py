"""The signing key on disk: made once, read only by its owner, refused in every other condition."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.domain.errors import KeyFileError, ReceiptError
from loopy.receipts.keys import KEY_NAME, load_or_make

from .support import key_from

needs_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")

RACER = """
import sys
from pathlib import Path
from loopy.receipts.keys import load_or_make
load_or_make(Path(sys.argv[1]) / "warm-up-of-its-own" / sys.argv[2], "id")
print("ready", flush=True)
for line in sys.stdin:
    print(load_or_make(Path(line.strip()), "id").fingerprint, flush=True)
"""


def test_the_key_is_made_once_and_read_ever_after(tmp_path: Path) -> None:
    first = load_or_make(tmp_path / "keys", "abc")
    again = load_or_make(tmp_path / "keys", "abc")
    assert (first.fingerprint, first.public_line) == (again.fingerprint, again.public_line)
    assert first.public_line.endswith(" loopy@abc")
    assert first.fingerprint.startswith("SHA256:")


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_new_key_is_closed_to_others_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load_or_make(tmp_path / "keys", "abc")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}
    assert modes == {KEY_NAME: 0o600, f"{KEY_NAME}.pub": 0o644}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@needs_ssh_keygen
def test_ssh_keygen_reads_the_key_and_gives_it_the_same_name(tmp_path: Path) -> None:
    key = load_or_make(tmp_path / "keys", "abc")
    named = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "keys" / f"{KEY_NAME}.pub"], capture_output=True, text=True
    )
    derived = subprocess.run(["ssh-keygen", "-y", "-f", tmp_path / "keys" / KEY_NAME], capture_output=True, text=True)
    assert named.stdout.split()[1] == key.fingerprint
    assert derived.stdout.split()[1] == key.public_line.split()[1]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        for n in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for n in range(40):
            for racer in racers:
                assert racer.stdin is not None
                racer.stdin.write(f"{tmp_path}/{n}\n")
                racer.stdin.flush()
            names = {racer.stdout.readline() for racer in racers if racer.stdout}
            assert len(names) == 1, names
            assert sorted(os.listdir(tmp_path / str(n))) == [KEY_NAME, f"{KEY_NAME}.pub"]
    finally:
        for racer in racers:
            racer.communicate()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_open_to_others_is_refused_with_the_mending_command(tmp_path: Path, mode: int) -> None:
    load_or_make(tmp_path / "keys", "abc")
    path = tmp_path / "keys" / KEY_NAME
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load_or_make(tmp_path / "keys", "abc")


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_keys_directory_open_to_others_is_refused_with_the_mending_command(tmp_path: Path, mode: int) -> None:
    load_or_make(tmp_path / "keys", "abc")
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 700 {tmp_path / 'keys'}"):
        load_or_make(tmp_path / "keys", "abc")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("place", [".", KEY_NAME])
def test_a_key_or_directory_of_another_user_is_refused(tmp_path: Path, place: str) -> None:
    load_or_make(tmp_path / "keys", "abc")
    os.chown(tmp_path / "keys" / place, 12345, -1)
    with pytest.raises(KeyFileError, match="another user"):
        load_or_make(tmp_path / "keys", "abc")


def test_a_symlinked_key_is_refused(tmp_path: Path) -> None:
    load_or_make(tmp_path / "elsewhere", "abc")
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / KEY_NAME).symlink_to(tmp_path / "elsewhere" / KEY_NAME)
    with pytest.raises(KeyFileError, match="is a link"):
        load_or_make(tmp_path / "keys", "abc")


def test_a_link_to_nowhere_is_refused_and_nothing_is_made_through_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / KEY_NAME).symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyFileError, match="is a link"):
        load_or_make(tmp_path / "keys", "abc")
    assert not (tmp_path / "nowhere").exists()


def test_a_symlinked_keys_directory_is_refused(tmp_path: Path) -> None:
    load_or_make(tmp_path / "elsewhere", "abc")
    (tmp_path / "keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError, match="not a directory of its own"):
        load_or_make(tmp_path / "keys", "abc")


@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_special_file_in_the_keys_place_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    place = tmp_path / "keys" / KEY_NAME
    os.mkfifo(place, 0o600) if kind == "fifo" else place.mkdir(mode=0o700)
    with pytest.raises(KeyFileError, match="special file"):
        load_or_make(tmp_path / "keys", "abc")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_a_damaged_key_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    place = tmp_path / "keys" / KEY_NAME
    place.write_bytes(content)
    place.chmod(0o600)
    with pytest.raises(KeyFileError, match=f"mv {place}"):
        load_or_make(tmp_path / "keys", "abc")
    assert place.read_bytes() == content


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    curve = ec.generate_private_key(ec.SECP256R1())
    plain = curve.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"word")
        )
    except Exception:  # bcrypt is an extra that need not be here
        locked = b"locked"
    (tmp_path / "keys").mkdir(mode=0o700)
    for content in (plain, locked):
        (tmp_path / "keys" / KEY_NAME).write_bytes(content)
        (tmp_path / "keys" / KEY_NAME).chmod(0o600)
        with pytest.raises(KeyFileError):
            load_or_make(tmp_path / "keys", "abc")


def test_a_lost_or_wrong_public_file_is_written_anew_and_never_through_a_link(tmp_path: Path) -> None:
    key = load_or_make(tmp_path / "keys", "abc")
    public = tmp_path / "keys" / f"{KEY_NAME}.pub"
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    public.unlink()
    public.symlink_to(victim)
    load_or_make(tmp_path / "keys", "abc")
    assert victim.read_text() == "untouched"
    assert public.read_text() == f"{key.public_line}\n"


def test_a_place_that_cannot_hold_keys_is_a_key_file_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError):
        load_or_make(tmp_path / "file" / "keys", "abc")
    with pytest.raises(KeyFileError):
        load_or_make(tmp_path / "file", "abc")


def test_a_key_never_shows_its_secret(tmp_path: Path) -> None:
    key = load_or_make(tmp_path / "keys", "abc")
    assert repr(key) == f"SigningKey({key.fingerprint})"


def test_the_allowed_signers_line_names_purposes_and_times() -> None:
    line = key_from(7).allowed_signers_line("a@b", valid_before=datetime(2027, 1, 1, tzinfo=UTC))
    assert line.startswith('a@b namespaces="git,loopy-ship-receipt",valid-before="20270101000000Z" ssh-ed25519 AAAA')


@pytest.mark.parametrize("identity", ["", "a b", "a,b", "*", "a\nb", '"a"', "#a", "!a"])
def test_an_identity_that_would_bend_the_allowed_signers_file_is_refused(identity: str) -> None:
    with pytest.raises(ReceiptError):
        key_from(7).allowed_signers_line(identity)
