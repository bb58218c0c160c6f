"""No single changed bit is accepted: at least 10,000 of them, spread over the whole of every file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import SignedReceipt
from loopy.receipts import sshsig
from loopy.receipts.bundle import Bundle
from loopy.receipts.keys import SigningKey
from loopy.receipts.verify import verify

from .support import NOW, trusted

# Strides share no factor with 8, so that over the bytes every bit position comes up.
FLIPS = {"envelope": 5, "statement": 11, "ssh signature": 1}
SAMPLE = 13  # the fast suite takes each thirteenth of them; the slow one takes them all
every = pytest.mark.parametrize("thin", [SAMPLE, pytest.param(1, marks=pytest.mark.slow)])


def flipped(data: bytes, stride: int) -> Iterator[bytes]:
    for bit in range(0, len(data) * 8, stride):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@every
def test_no_flipped_bit_of_the_envelope_is_accepted(signed: SignedReceipt, key: SigningKey, thin: int) -> None:
    signers = [trusted(key)]
    assert verify(signed.envelope_bytes, signers=signers, now=NOW).exit_code == 0
    tries = list(flipped(signed.envelope_bytes, FLIPS["envelope"] * thin))
    accepted = sum(verify(data, signers=signers, now=NOW).exit_code == 0 for data in tries)
    assert (len(tries) >= 7_000 // thin, accepted) == (True, 0)


@every
def test_no_flipped_bit_of_the_statement_is_accepted_under_its_ssh_signature(signed: SignedReceipt, thin: int) -> None:
    signature = sshsig.parse(signed.sshsig_bytes)
    assert sshsig.is_signed(signature, signed.statement_bytes)
    tries = list(flipped(signed.statement_bytes, FLIPS["statement"] * thin))
    accepted = sum(sshsig.is_signed(signature, data) for data in tries)
    assert (len(tries) >= 2_500 // thin, accepted) == (True, 0)


@every
def test_no_flipped_bit_of_the_ssh_signature_is_accepted(signed: SignedReceipt, key: SigningKey, thin: int) -> None:
    signers = [trusted(key)]
    tries = list(flipped(signed.sshsig_bytes, FLIPS["ssh signature"] * thin))
    bundles = (Bundle(signed.envelope_bytes, signed.statement_bytes, data) for data in tries)
    accepted = sum(verify(each, signers=signers, now=NOW).exit_code == 0 for each in bundles)
    assert (len(tries) >= 2_500 // thin, accepted) == (True, 0)


def test_the_flips_are_more_than_ten_thousand(signed: SignedReceipt) -> None:
    files = {
        "envelope": signed.envelope_bytes,
        "statement": signed.statement_bytes,
        "ssh signature": signed.sshsig_bytes,
    }
    assert sum(len(range(0, len(files[name]) * 8, stride)) for name, stride in FLIPS.items()) >= 10_000


@pytest.mark.slow
def test_no_flipped_bit_at_all_is_accepted(signed: SignedReceipt, key: SigningKey) -> None:
    signers = [trusted(key)]
    tries = flipped(signed.envelope_bytes, 1)
    assert not any(verify(data, signers=signers, now=NOW).exit_code == 0 for data in tries)


def test_a_cut_off_file_is_never_accepted(signed: SignedReceipt, key: SigningKey) -> None:
    signers = [trusted(key)]
    for end in range(0, len(signed.envelope_bytes), 37):
        assert verify(signed.envelope_bytes[:end], signers=signers, now=NOW).exit_code == 1
    for end in range(len(signed.sshsig_bytes)):
        with pytest.raises(ReceiptError):
            sshsig.parse(signed.sshsig_bytes[:end])
