"""The golden receipts, and programs nobody on this project wrote."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loopy.receipts import bundle, dsse, sshsig
from loopy.receipts.chain import verify_chain
from loopy.receipts.signers import parse_allowed_signers
from loopy.receipts.verify import verify

from .subprocess_git import SubprocessGit
from .support import (
    DATA,
    GIT_ENV,
    IDENTITY,
    NOW,
    DemoRepo,
    golden_key,
    notary,
    refused,
    shipped,
    wrong,
)

SIGNERS = parse_allowed_signers((DATA / "allowed_signers").read_text())
NAMES = ("shipped", "refused")
PAGE = Path(__file__).parents[2] / "docs" / "receipt.md"
needs_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")


def run(script: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    place = {**GIT_ENV, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **env}
    return subprocess.run(["sh", "-eu", "-c", script], cwd=folder, env=place, capture_output=True, text=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_receipt_verifies(name: str, repo: DemoRepo) -> None:
    found = verify(DATA / name, signers=SIGNERS, now=NOW, repo=SubprocessGit(repo.path))
    assert (found.exit_code, wrong(found)) == (0, set())


def test_the_golden_receipts_are_what_this_version_writes(repo: DemoRepo) -> None:
    writer = notary(golden_key())
    first = writer.sign(shipped(repo))
    second = writer.sign(refused(first))
    for name, receipt in (("shipped", first), ("refused", second)):
        kept = bundle.read(DATA / name)
        assert (kept.envelope, kept.statement) == (receipt.envelope_bytes, receipt.statement_bytes)
        assert kept.sshsig == receipt.sshsig_bytes


def test_the_golden_receipts_are_a_chain() -> None:
    envelopes = [bundle.read(DATA / name).envelope for name in NAMES]
    assert verify_chain(envelopes, signers=SIGNERS, now=NOW, head=dsse.parse(envelopes[-1]).digest).exit_code == 0


@pytest.mark.parametrize("name", NAMES)
def test_securesystemslib_verifies_a_golden_receipt(name: str) -> None:
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # exported without saying so

    public = load_ssh_public_key((DATA / name / bundle.SIGNER).read_bytes())
    raw = json.loads((DATA / name / bundle.ENVELOPE).read_bytes())
    envelope = Envelope.from_dict(raw)
    (keyid,) = envelope.signatures
    key = SSlibKey.from_crypto(public, keyid=keyid)
    assert envelope.verify([key], threshold=1) == {keyid: key}
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key], threshold=1)


@pytest.mark.parametrize("name", NAMES)
def test_in_toto_attestation_accepts_a_golden_statement(name: str) -> None:
    from google.protobuf import json_format  # type: ignore[import-untyped]  # comes with in-toto-attestation
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    raw = (DATA / name / bundle.STATEMENT).read_text()
    Statement.copy_from_pb(json_format.Parse(raw, Message())).validate()


@needs_ssh_keygen
@pytest.mark.parametrize("name", NAMES)
def test_ssh_keygen_verifies_a_golden_statement_and_refuses_another(name: str, tmp_path: Path) -> None:
    shutil.copytree(DATA / name, tmp_path, dirs_exist_ok=True)
    shutil.copy(DATA / "allowed_signers", tmp_path)
    check = f"ssh-keygen -Y verify -f allowed_signers -I {IDENTITY} -n loopy-ship-receipt -s {bundle.SSHSIG} < "
    assert run(check + bundle.STATEMENT, tmp_path).returncode == 0
    (tmp_path / "other.json").write_bytes((tmp_path / bundle.STATEMENT).read_bytes().replace(b"REFUSED", b"PASSED"))
    (tmp_path / "other.json").write_bytes((tmp_path / "other.json").read_bytes() + b"\n")
    assert run(check + "other.json", tmp_path).returncode != 0
    assert run(check.replace("loopy-ship-receipt", "git") + bundle.STATEMENT, tmp_path).returncode != 0


@needs_ssh_keygen
def test_our_reader_accepts_what_ssh_keygen_signs(tmp_path: Path) -> None:
    shutil.copy(DATA / "TEST_KEY_trust_it_nowhere_ed25519", tmp_path / "key")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "text").write_bytes(b"any bytes")
    done = run("ssh-keygen -Y sign -q -f key -n loopy-ship-receipt text", tmp_path)
    assert done.returncode == 0, done.stderr
    theirs = (tmp_path / "text.sig").read_bytes()
    assert sshsig.is_signed(sshsig.parse(theirs), b"any bytes")
    assert theirs == sshsig.sign(golden_key(), b"any bytes")


@needs_ssh_keygen
@needs_openssl
def test_every_command_of_the_page_runs_and_agrees(repo: DemoRepo, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    shutil.copytree(DATA / "shipped", tmp_path, dirs_exist_ok=True)
    shutil.copy(DATA / "allowed_signers", tmp_path)
    done = run("\n".join(blocks), tmp_path, REPO=str(repo.path))
    assert done.returncode == 0, done.stdout + done.stderr
    dsse_digest = dsse.parse((DATA / "shipped" / bundle.ENVELOPE).read_bytes()).digest
    for words in (
        'Good "loopy-ship-receipt" signature',
        "Signature Verified Successfully",
        "good: SHA256",
        dsse_digest,
    ):
        assert words in done.stdout


@needs_ssh_keygen
@needs_openssl
@pytest.mark.parametrize("file", [bundle.STATEMENT, bundle.ENVELOPE, bundle.SSHSIG])
def test_the_pages_commands_notice_a_changed_file(file: str, repo: DemoRepo, tmp_path: Path) -> None:
    script = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    shutil.copytree(DATA / "shipped", tmp_path, dirs_exist_ok=True)
    shutil.copy(DATA / "allowed_signers", tmp_path)
    changed = bytearray((tmp_path / file).read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / file).write_bytes(changed)
    assert run(script, tmp_path, REPO=str(repo.path)).returncode != 0
