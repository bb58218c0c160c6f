"""Who signed: what a verifier says to keys that are unknown, expired, revoked, or meant for something else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

from loopy.domain.statement import SignedReceipt, Statement, canonical_json
from loopy.receipts import dsse, sshsig
from loopy.receipts.bundle import Bundle
from loopy.receipts.keys import SigningKey
from loopy.receipts.verify import verify

from .support import (
    NOW,
    SHIPPED_AT,
    Check,
    key_from,
    trusted,
    untold,
    wrong,
)


def test_an_unknown_signer_cannot_be_told_until_its_key_is_given(signed: SignedReceipt, key: SigningKey) -> None:
    assert verify(signed.envelope_bytes, signers=[], now=NOW).exit_code == 2
    assert verify(signed.envelope_bytes, signers=[trusted(key_from(8))], now=NOW).exit_code == 2
    assert verify(signed.envelope_bytes, signers=[trusted(key)], now=NOW).exit_code == 0


def test_a_key_lying_beside_the_receipt_proves_nothing(signed: SignedReceipt, key: SigningKey) -> None:
    beside = Bundle(signed.envelope_bytes, signer=key.public_line.encode())
    assert verify(beside, signers=[], now=NOW).exit_code == 2


def test_a_receipt_that_even_the_key_beside_it_denies_is_invalid(statement: Statement, key: SigningKey) -> None:
    raw = json.loads(dsse.seal(statement.to_bytes(), key))
    raw["payload"] = base64.b64encode(statement.to_bytes().replace(b"PASSED", b"FAILED")).decode()
    forged = Bundle(canonical_json(raw), signer=key.public_line.encode())
    assert "signature" in wrong(verify(forged, signers=[], now=NOW))


def test_a_signature_under_a_trusted_keys_name_by_another_key_is_invalid(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    forged = json.loads(dsse.seal(statement.to_bytes(), key_from(8)))
    forged["signatures"][0]["keyid"] = key.fingerprint
    assert wrong(check(canonical_json(forged))) == {"signature"}


def test_an_extra_signature_of_an_unknown_key_leaves_the_receipt_unverified(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    both = dsse.seal(statement.to_bytes(), key, key_from(8))
    found = check(both)
    assert (found.exit_code, untold(found)) == (2, {"signature"})
    assert check(both, signers=[trusted(key), trusted(key_from(8))]).exit_code == 0


def test_an_extra_signature_that_does_not_hold_spoils_the_receipt(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    both = json.loads(dsse.seal(statement.to_bytes(), key, key_from(8)))
    both["signatures"][1]["sig"] = both["signatures"][0]["sig"]
    found = check(canonical_json(both), signers=[trusted(key), trusted(key_from(8))])
    assert wrong(found) == {"signature"}


def test_two_signatures_of_one_key_are_refused(check: Check, signed: SignedReceipt) -> None:
    twice = json.loads(signed.envelope_bytes)
    junk = {**twice["signatures"][0], "sig": base64.b64encode(b"0" * 64).decode()}
    twice["signatures"].insert(0, junk)
    assert wrong(check(canonical_json(twice))) == {"envelope"}


def test_a_key_that_had_expired_when_the_run_shipped_is_refused(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    expired = trusted(key, valid_before=SHIPPED_AT - timedelta(seconds=1))
    assert wrong(check(signed.envelope_bytes, signers=[expired])) == {"signature"}


def test_a_key_that_was_not_yet_valid_when_the_run_shipped_is_refused(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    early = trusted(key, valid_after=SHIPPED_AT + timedelta(seconds=1))
    assert wrong(check(signed.envelope_bytes, signers=[early])) == {"signature"}


def test_a_key_that_expired_later_still_verifies_its_old_receipts(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    later = trusted(key, valid_before=SHIPPED_AT + timedelta(hours=1))
    assert check(signed.envelope_bytes, signers=[later], now=NOW + timedelta(days=400)).exit_code == 0


def test_any_one_of_a_keys_spans_of_time_is_enough(check: Check, signed: SignedReceipt, key: SigningKey) -> None:
    spans = [trusted(key, valid_before=SHIPPED_AT - timedelta(days=1)), trusted(key, valid_after=SHIPPED_AT)]
    assert check(signed.envelope_bytes, signers=spans).exit_code == 0


def test_a_revoked_key_never_verifies(check: Check, signed: SignedReceipt, key: SigningKey) -> None:
    assert wrong(check(signed.envelope_bytes, revoked={key.fingerprint})) == {"signature"}


def test_a_key_trusted_for_git_commits_only_signs_no_receipts(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    assert wrong(check(signed.envelope_bytes, signers=[trusted(key, namespaces="git")])) == {"signature"}


def test_an_ssh_signature_for_another_namespace_is_refused(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    other = sshsig.sign(key, signed.statement_bytes, namespace="git")
    assert wrong(check(Bundle(signed.envelope_bytes, sshsig=other))) == {"ssh signature"}


def test_an_ssh_signature_over_other_bytes_is_refused(check: Check, signed: SignedReceipt, key: SigningKey) -> None:
    other = sshsig.sign(key, signed.statement_bytes + b" ")
    assert wrong(check(Bundle(signed.envelope_bytes, sshsig=other))) == {"ssh signature"}


def test_an_ssh_signature_of_an_unknown_key_cannot_be_told(check: Check, signed: SignedReceipt) -> None:
    other = sshsig.sign(key_from(8), signed.statement_bytes)
    found = check(Bundle(signed.envelope_bytes, sshsig=other))
    assert (found.exit_code, untold(found)) == (2, {"ssh signature"})


def test_a_statement_file_or_key_file_of_another_receipt_is_noticed(check: Check, signed: SignedReceipt) -> None:
    assert wrong(check(Bundle(signed.envelope_bytes, statement=b"{}"))) == {"statement file"}
    other = key_from(8).public_line.encode()
    assert wrong(check(Bundle(signed.envelope_bytes, signer=other))) == {"public key file"}
