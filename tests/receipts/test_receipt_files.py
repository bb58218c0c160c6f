"""The files that a receipt names: compared where they lie beside it, said to be missing where they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopy.domain.receipt import EvidenceFact
from loopy.domain.statement import Statement, statement_about
from loopy.receipts import bundle
from loopy.receipts.files import compared
from loopy.receipts.keys import SigningKey

from .support import Check, DemoRepo, altered, answers, digest, notary, sha256, shipped, untold, wrong

FILES = {"evidence.json": b"{}\n", "ship.patch": b"diff --git a b\n", "ship.bundle": b"# v2 git bundle\n\0"}


def naming(repo: DemoRepo, *evidence: EvidenceFact) -> Statement:
    facts = evidence or (EvidenceFact(name="evidence.json", digest=digest("{}\n")),)
    receipt = altered(shipped(repo), evidence=facts).predicate
    patch, whole = (sha256(FILES[name]) for name in ("ship.patch", "ship.bundle"))
    return statement_about(receipt, commit=repo.head, tree=repo.tree, patch=patch, bundle=whole)


@pytest.fixture
def folder(repo: DemoRepo, key: SigningKey, tmp_path: Path) -> Path:
    """A receipt with the three files that it names beside it."""
    bundle.write(tmp_path, notary(key).sign(naming(repo)), key.public_line)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_files_that_lie_beside_a_receipt_are_compared_with_it(check: Check, folder: Path) -> None:
    found = check(folder)
    assert found.exit_code == 0
    assert {name: answers(found)[name] for name in FILES} == dict.fromkeys(FILES, True)
    assert not any("digested" in text for text in found.not_checked)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_with_another_content_makes_the_receipt_invalid(check: Check, folder: Path, name: str) -> None:
    (folder / name).write_bytes(FILES[name] + b"!")
    found = check(folder)
    assert (found.exit_code, wrong(found)) == (1, {name})


def test_a_file_that_is_not_there_is_said_to_be_unread(check: Check, folder: Path) -> None:
    (folder / "ship.patch").unlink()
    found = check(folder / bundle.ENVELOPE)
    assert found.exit_code == 0
    assert "not beside the receipt, so not digested: ship.patch" in found.not_checked


def test_an_envelope_by_itself_says_which_files_were_not_read(check: Check, folder: Path) -> None:
    found = check((folder / bundle.ENVELOPE).read_bytes())
    assert "not beside the receipt, so not digested: ship.patch, ship.bundle, evidence.json" in found.not_checked


def test_a_pipe_or_a_folder_in_a_files_place_cannot_be_told(check: Check, folder: Path) -> None:
    (folder / "ship.patch").unlink()
    os.mkfifo(folder / "ship.patch")
    (folder / "ship.bundle").unlink()
    (folder / "ship.bundle").mkdir()
    found = check(folder)
    assert (found.exit_code, untold(found)) == (2, {"ship.patch", "ship.bundle"})


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", "."])
def test_a_receipts_words_lead_to_no_file_elsewhere(
    check: Check, repo: DemoRepo, key: SigningKey, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    place = tmp_path / "receipt"
    said = naming(repo, EvidenceFact(name=name, digest=digest("something")))
    bundle.write(place, notary(key).sign(said), key.public_line)
    found = check(place)
    assert wrong(found) == set()
    assert any(name in text for text in found.not_checked)


def test_two_digests_of_one_file_cannot_both_be_true(repo: DemoRepo, folder: Path) -> None:
    lie = naming(repo, EvidenceFact(name="ship.patch", digest=digest("another")))
    findings, _ = compared(lie, folder)
    assert sorted(str(each.ok) for each in findings if each.name == "ship.patch") == ["False", "True"]
