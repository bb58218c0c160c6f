"""When it is said to have been: a time that cannot be true is told, and fails nothing, for clocks differ."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from loopy.domain.statement import SignedReceipt, Statement, statement_about
from loopy.receipts.chain import verify_chain
from loopy.receipts.keys import SigningKey
from loopy.receipts.times import CLOCK_SLACK

from .subprocess_git import SubprocessGit
from .support import NOW, SHIPPED_AT, Check, DemoRepo, altered, notary, refused, trusted


@pytest.mark.parametrize(("ahead", "told"), [(CLOCK_SLACK, 0), (CLOCK_SLACK + timedelta(seconds=1), 1)])
def test_a_receipt_that_is_older_than_its_base_is_told(
    check: Check, statement: Statement, repo: DemoRepo, ahead: timedelta, told: int
) -> None:
    git = SubprocessGit(repo.path)
    made = git.time_of(repo.base)
    assert made is not None
    found = check(altered(statement, time_shipped=made - ahead), repo=git)
    assert found.exit_code == 0
    assert len(found.notes) == told
    assert all("earlier than the commit that it stands on" in note and "dated back" in note for note in found.notes)


def test_a_base_that_is_not_there_says_nothing_about_the_time(check: Check, statement: Statement) -> None:
    class Elsewhere(SubprocessGit):
        def time_of(self, commit: str) -> None:
            return None

    early = altered(statement, time_shipped=SHIPPED_AT - timedelta(days=9999))
    assert check(early).notes == ()
    assert check(early, repo=Elsewhere(Path("/nowhere"))).notes == ()


def test_a_receipt_that_is_older_than_the_one_before_is_told(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    late = refused(signed)
    early = statement_about(altered(late, time_shipped=SHIPPED_AT - timedelta(seconds=1)).predicate)
    assert "earlier" not in str(check(late, previous=signed.envelope_bytes).notes)
    found = check(early, previous=signed.envelope_bytes)
    assert found.exit_code == 0
    assert "earlier than receipt 1 of its log" in found.notes[0]
    assert "earlier" not in str(check(early, previous=b"{}").notes)
    log = [signed.envelope_bytes, notary(key).sign(early).envelope_bytes]
    whole = verify_chain(log, signers=[trusted(key)], now=NOW)
    assert whole.exit_code == 0
    assert [note for note in whole.notes if note.startswith("#2") and "earlier" in note]
