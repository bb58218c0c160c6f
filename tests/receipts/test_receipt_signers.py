"""Reading `allowed_signers`: ours must never trust what ssh-keygen refuses."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loopy.domain.errors import ReceiptError
from loopy.receipts import sshsig
from loopy.receipts.signers import matches, parse_allowed_signers, parse_revoked, trusted_key

from .support import key_from

KEY = key_from(7)
LINE = KEY.public_line.rsplit(" ", 1)[0]
WHEN = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)

# options, and whether the key may sign a receipt at WHEN
CASES = [
    ("", True),
    ('namespaces="loopy-ship-receipt"', True),
    ('namespaces="git,loopy-ship-receipt"', True),
    ('namespaces="git"', False),
    ('namespaces="loopy-*"', True),
    ('namespaces="*,!loopy-ship-receipt"', False),
    ('namespaces="!loopy-ship-receipt,*"', False),
    ('namespaces="loopy-ship-receip?"', True),
    ('namespaces="loopy-ship"', False),
    ('NAMESPACES="loopy-ship-receipt"', True),
    ('valid-after="20261122Z"', True),
    ('valid-after="20261123Z"', False),
    ('valid-before="20261122Z"', False),
    ('valid-before="20261123Z"', True),
    ('valid-after="202611221230Z"', True),
    ('valid-before="20261122123000Z"', True),
    ('valid-before="20261122122959Z"', False),
    ('valid-after="20261122123001Z"', False),
    ('valid-after="20200101Z",valid-before="20300101Z",namespaces="*"', True),
]


def ours(text: str) -> bool:
    keys = parse_allowed_signers(text)
    return any(key.allows("loopy-ship-receipt") and key.is_valid_at(WHEN) for key in keys)


@pytest.mark.parametrize(("options", "good"), CASES)
def test_an_option_means_what_the_manual_says(options: str, good: bool) -> None:
    assert ours(f"a@b {options} {LINE}\n") is good


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
@pytest.mark.parametrize(("options", "good"), CASES)
def test_ssh_keygen_reads_the_same_line_the_same_way(options: str, good: bool, tmp_path: Path) -> None:
    (tmp_path / "signers").write_text(f"a@b {options} {LINE}\n")
    (tmp_path / "sig").write_bytes(sshsig.sign(KEY, b"text"))
    args = ["-Y", "verify", "-f", "signers", "-I", "a@b", "-n", "loopy-ship-receipt", "-s", "sig"]
    moment = ["-O", f"verify-time={WHEN:%Y%m%d%H%M%SZ}"]
    done = subprocess.run(["ssh-keygen", *args, *moment], cwd=tmp_path, input=b"text", capture_output=True)
    assert (done.returncode == 0) is good, done.stderr


def test_comments_empty_lines_and_other_keys_are_passed_over() -> None:
    text = f"""
# our builders
a@b ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==
ca@b cert-authority {LINE}
c@d,e@f namespaces="git" ecdsa-sha2-nistp256 AAAA
"g@h" {LINE} a comment of three words
"""
    (key,) = parse_allowed_signers(text)
    assert (key.identity, key.public, key.fingerprint) == ("g@h", KEY.public, KEY.fingerprint)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f'a@b valid-before="20261122" {LINE}', "unnamed zone"),
        (f'a@b valid-before="tomorrow" {LINE}', "has the time"),
        (f'a@b valid-before="20261399Z" {LINE}', "impossible"),
        (f'a@b valid-before="2026112212Z" {LINE}', "has the time"),
        (f'a@b no-such-option="x" {LINE}', "unknown or repeated"),
        (f'a@b namespaces="git",namespaces="*" {LINE}', "unknown or repeated"),
        (f'a@b namespaces="git {LINE}', "neither"),
        ("a@b ssh-ed25519", "neither"),
        ("a@b ssh-ed25519 AAAA", "ends too early"),
        ("a@b ssh-ed25519 %%%%", "not base64"),
        ("a@b", "neither"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_by_its_number(line: str, says: str) -> None:
    with pytest.raises(ReceiptError, match=says) as caught:
        parse_allowed_signers(f"# first\n{line}\n")
    assert "line 2" in str(caught.value)


def test_a_pinned_key_comes_from_one_public_line() -> None:
    key = trusted_key(KEY.public_line)
    assert (key.fingerprint, key.identity) == (KEY.fingerprint, KEY.public_line.rsplit(" ", 1)[1])
    assert trusted_key(LINE, "me").identity == "me"
    for line in ("", "ssh-rsa AAAA", "ssh-ed25519", "ssh-ed25519 AAAA"):
        with pytest.raises(ReceiptError):
            trusted_key(line)


def test_a_list_of_revoked_keys_is_one_public_line_each() -> None:
    assert parse_revoked(f"# gone\n{KEY.public_line}\n\nssh-rsa AAAA\n") == {KEY.fingerprint}


def test_patterns_know_only_stars_questions_and_negation() -> None:
    assert matches("a.b", "a.b")
    assert not matches("axb", "a.b")
    assert matches("[x]", "[x]")
    assert not matches("a", "")
