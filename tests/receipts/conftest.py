"""The demo repository, a key and a signed receipt, made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopy.domain.statement import SignedReceipt, Statement
from loopy.receipts import dsse
from loopy.receipts.bundle import Bundle
from loopy.receipts.findings import Verification
from loopy.receipts.keys import SigningKey
from loopy.receipts.verify import verify

from .support import NOW, Check, DemoRepo, demo_repo, key_from, notary, shipped, trusted


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory) -> DemoRepo:
    return demo_repo(tmp_path_factory.mktemp("demo") / "repo")


@pytest.fixture(scope="session")
def key() -> SigningKey:
    return key_from(7)


@pytest.fixture(scope="session")
def statement(repo: DemoRepo) -> Statement:
    return shipped(repo)


@pytest.fixture(scope="session")
def signed(key: SigningKey, statement: Statement) -> SignedReceipt:
    return notary(key).sign(statement)


@pytest.fixture
def check(key: SigningKey) -> Check:
    """Verify with the test key trusted; a bare statement is signed with it first."""

    def ask(receipt: Path | bytes | Bundle | Statement, **options: Any) -> Verification:
        given = dsse.seal(receipt.to_bytes(), key) if isinstance(receipt, Statement) else receipt
        return verify(given, **{"signers": [trusted(key)], "now": NOW, **options})

    return ask
