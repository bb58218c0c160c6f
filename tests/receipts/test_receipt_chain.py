"""The log of receipts: no gap, no fork, no other beginning, and no cut end where the end is known."""

from __future__ import annotations

import pytest

from loopy.domain.receipt import ShipReceipt
from loopy.domain.statement import SignedReceipt, statement_about
from loopy.receipts.chain import verify_chain
from loopy.receipts.findings import Verification
from loopy.receipts.keys import SigningKey
from loopy.receipts.verify import verify

from .support import NOW, altered, key_from, notary, refused, trusted, untold, wrong


@pytest.fixture(scope="module")
def log(signed: SignedReceipt, key: SigningKey) -> list[SignedReceipt]:
    receipts = [signed]
    for seq in range(2, 6):
        receipts.append(notary(key).sign(refused(receipts[-1], seq)))
    return receipts


def walk(receipts: list[SignedReceipt], key: SigningKey, head: str | None = None) -> Verification:
    return verify_chain([each.envelope_bytes for each in receipts], signers=[trusted(key)], now=NOW, head=head)


def test_a_whole_log_verifies(log: list[SignedReceipt], key: SigningKey) -> None:
    found = walk(log, key, head=log[-1].digest)
    assert (found.exit_code, found.not_checked) == (0, ())


def test_a_log_without_its_end_is_invalid_where_the_end_is_known(log: list[SignedReceipt], key: SigningKey) -> None:
    assert wrong(walk(log[:-1], key, head=log[-1].digest)) == {"end"}


def test_a_log_whose_end_nobody_kept_says_that_it_cannot_see_a_cut(log: list[SignedReceipt], key: SigningKey) -> None:
    found = walk(log[:-1], key)
    assert found.exit_code == 0
    assert found.not_checked


def test_a_log_without_its_beginning_cannot_be_told(log: list[SignedReceipt], key: SigningKey) -> None:
    found = walk(log[1:], key)
    assert (found.exit_code, untold(found)) == (2, {"beginning"})


def test_a_receipt_taken_out_of_the_middle_is_noticed(log: list[SignedReceipt], key: SigningKey) -> None:
    assert wrong(walk([*log[:2], *log[3:]], key)) == {"#4 chain"}


def test_two_receipts_of_one_number_are_a_fork(log: list[SignedReceipt], key: SigningKey) -> None:
    fork = notary(key).sign(refused(log[1], 3))
    assert wrong(walk([*log[:3], fork], key)) == {"#3 chain"}


def test_a_receipt_rewritten_by_the_key_holder_breaks_the_link_after_it(
    log: list[SignedReceipt], key: SigningKey
) -> None:
    told_otherwise = altered(refused(log[0], 2), reason="nothing happened")
    subject = statement_about(told_otherwise.predicate)
    rewritten = notary(key).sign(subject)
    assert wrong(walk([log[0], rewritten, *log[2:]], key)) == {"#3 chain"}


def test_the_link_to_one_previous_receipt_is_followed(log: list[SignedReceipt], key: SigningKey) -> None:
    def ask(previous: bytes) -> set[str]:
        found = verify(log[2].envelope_bytes, signers=[trusted(key)], now=NOW, previous=previous)
        return wrong(found)

    assert ask(log[1].envelope_bytes) == set()
    assert ask(log[0].envelope_bytes) == {"chain"}
    assert ask(b"{}") == {"chain"}


@pytest.mark.parametrize("place", [{"seq": 4}, {"seq": 2}, {"log": "another"}])
def test_a_number_or_log_that_does_not_follow_breaks_the_chain(
    log: list[SignedReceipt], key: SigningKey, place: dict[str, int | str]
) -> None:
    moved = log_moved(log[1], place)
    receipt = notary(key).sign(statement_about(moved))
    found = verify(receipt.envelope_bytes, signers=[trusted(key)], now=NOW, previous=log[1].envelope_bytes)
    assert wrong(found) == {"chain"}


def log_moved(previous: SignedReceipt, place: dict[str, int | str]) -> ShipReceipt:
    predicate = refused(previous, 3).predicate
    return predicate.model_copy(update={"chain": predicate.chain.model_copy(update=place)})


def test_no_receipts_are_no_log(key: SigningKey) -> None:
    assert walk([], key).exit_code == 2


def test_a_strangers_receipt_in_the_log_is_not_verified(log: list[SignedReceipt], key: SigningKey) -> None:
    stranger = notary(key_from(8)).sign(refused(log[-1], 6))
    found = walk([*log, stranger], key)
    assert (found.exit_code, untold(found)) == (2, {"#6 signature"})
