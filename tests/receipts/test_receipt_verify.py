"""A true receipt, a receipt against a repository, and receipts on disk."""

from __future__ import annotations

import json
from pathlib import Path

from loopy.domain.statement import SignedReceipt, Statement
from loopy.receipts import bundle
from loopy.receipts.bundle import Bundle
from loopy.receipts.keys import SigningKey

from .subprocess_git import SubprocessGit
from .support import (
    Check,
    DemoRepo,
    answers,
    demo_repo,
    git,
    sha256,
    untold,
    wrong,
)


def test_a_true_receipt_holds_in_every_point(check: Check, signed: SignedReceipt, repo: DemoRepo) -> None:
    whole = Bundle(signed.envelope_bytes, signed.statement_bytes, signed.sshsig_bytes)
    found = check(whole, repo=SubprocessGit(repo.path))
    assert found.exit_code == 0
    assert set(answers(found)) == {
        "signature",
        "statement file",
        "ssh signature",
        "predicate type",
        "statement",
        "time",
        "subject",
        "verdict",
        "checked tree",
        "approvals",
        "target",
        "tree",
        "raw diff",
        "base",
    }
    assert found.statement is not None
    assert found.notes == ()


def test_without_a_repository_the_verifier_says_what_it_did_not_check(check: Check, signed: SignedReceipt) -> None:
    assert any("repository" in text for text in check(signed.envelope_bytes).not_checked)


def test_a_receipt_of_another_repository_is_not_verified(check: Check, signed: SignedReceipt, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    found = check(signed.envelope_bytes, repo=SubprocessGit(other))
    assert (found.exit_code, untold(found)) == (2, {"commit"})


def test_another_tree_than_the_commits_is_invalid(check: Check, statement: Statement, repo: DemoRepo) -> None:
    base_tree = git(repo.path, "rev-parse", f"{repo.base}^{{tree}}").decode().strip()
    raw = json.loads(statement.to_bytes().decode().replace(repo.tree, base_tree))
    lie = Statement.model_validate(raw)
    assert wrong(check(lie, repo=SubprocessGit(repo.path))) == {"tree"}


def test_another_base_is_noticed_by_the_raw_diff_and_by_ancestry(
    check: Check, repo: DemoRepo, statement: Statement
) -> None:
    raw = json.loads(statement.to_bytes().decode().replace(repo.base, repo.side))
    lie = Statement.model_validate(raw)
    assert wrong(check(lie, repo=SubprocessGit(repo.path))) == {"raw diff", "base"}


def test_a_base_that_is_no_ancestor_is_invalid_even_with_its_own_raw_diff(
    check: Check, repo: DemoRepo, statement: Statement
) -> None:
    raw = json.loads(statement.to_bytes().decode().replace(repo.base, repo.side).replace(repo.raw_diff, sha256(b"")))
    lie = Statement.model_validate(raw)
    assert wrong(check(lie, repo=SubprocessGit(repo.path))) == {"base"}


def test_a_base_that_is_not_fetched_cannot_be_told(check: Check, repo: DemoRepo, statement: Statement) -> None:
    raw = json.loads(statement.to_bytes().decode().replace(repo.base, "1" * 40))
    found = check(Statement.model_validate(raw), repo=SubprocessGit(repo.path))
    assert (found.exit_code, untold(found)) == (2, {"base"})


def test_the_same_repository_made_again_has_the_same_ids(repo: DemoRepo, tmp_path: Path) -> None:
    again = demo_repo(tmp_path / "again")
    assert (again.base, again.head, again.raw_diff) == (repo.base, repo.head, repo.raw_diff)


def test_a_written_receipt_is_read_back_whole(
    check: Check, signed: SignedReceipt, key: SigningKey, tmp_path: Path
) -> None:
    envelope = bundle.write(tmp_path / "LP-12.3", signed, key.public_line)
    again = bundle.write(tmp_path / "LP-12.3", signed, key.public_line)
    assert envelope == again
    assert sorted(path.name for path in envelope.parent.iterdir()) == [
        "receipt.dsse.json",
        "receipt.statement.json",
        "receipt.statement.json.sig",
        "signer.pub",
    ]
    whole = bundle.read(envelope)
    assert whole == bundle.read(envelope.parent)
    assert whole == Bundle(
        signed.envelope_bytes, signed.statement_bytes, signed.sshsig_bytes, f"{key.public_line}\n".encode()
    )
    assert check(envelope).exit_code == 0


def test_an_envelope_under_another_name_is_read_alone(signed: SignedReceipt, key: SigningKey, tmp_path: Path) -> None:
    bundle.write(tmp_path, signed, key.public_line)
    (tmp_path / "copy.json").write_bytes(signed.envelope_bytes)
    assert bundle.read(tmp_path / "copy.json") == Bundle(signed.envelope_bytes)


def test_a_pipe_in_place_of_a_receipt_does_not_hold_the_verifier_up(check: Check, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "receipt.dsse.json")
    assert check(tmp_path).exit_code == 1
