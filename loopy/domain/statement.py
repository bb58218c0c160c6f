"""The in-toto Statement v1 around a ship receipt, the bytes that are signed, and the signed whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from loopy.domain.fact import Digest, Fact, GitId, Sha256
from loopy.domain.receipt import ShipReceipt
from loopy.domain.value import Value

STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Literal["urn:loopy:attestation:ship-receipt:v1"] = "urn:loopy:attestation:ship-receipt:v1"


class Subject(Fact):
    """What the statement is about: `commit`, `tree`, `ship.patch`, `ship.bundle`, or `run` if nothing was shipped."""

    name: Literal["commit", "tree", "ship.patch", "ship.bundle", "run"]
    digest: Digest


class Statement(Fact):
    """An in-toto Statement v1 about one run."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(STATEMENT_TYPE, alias="_type")
    subject: Annotated[tuple[Subject, ...], Field(min_length=1)]
    predicate_type: Literal["urn:loopy:attestation:ship-receipt:v1"] = PREDICATE_TYPE
    predicate: ShipReceipt

    def digest_of(self, name: str) -> Digest | None:
        """Return the digest of the subject of that name."""
        return next((subject.digest for subject in self.subject if subject.name == name), None)

    @property
    def commit(self) -> str | None:
        """The commit that the statement is about."""
        digest = self.digest_of("commit")
        return digest.git_commit if digest else None

    @property
    def tree(self) -> str | None:
        """The tree that the statement is about."""
        digest = self.digest_of("tree")
        return digest.git_tree if digest else None

    def to_bytes(self) -> bytes:
        """Return the JSON that is signed: UTF-8, keys sorted, no spaces, absent facts left out."""
        return canonical_json(as_json(self))


class SignedReceipt(Value):
    """A signed statement: its bytes, the DSSE envelope, the SSHSIG over the same bytes, and its place in the chain.

    `digest` is the SHA-256 of the signed bytes (DSSE's PAE), in hex; the next receipt names it as its previous one.
    """

    statement_bytes: bytes
    envelope_bytes: bytes
    sshsig_bytes: bytes
    digest: str


def as_json(fact: Fact) -> dict[str, Any]:
    """Return the fact as it stands in JSON."""
    return fact.model_dump(mode="json", by_alias=True, exclude_none=True)


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """Return one spelling of a JSON object: UTF-8, keys sorted, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def run_digest(predicate: Mapping[str, Any]) -> str:
    """Return the digest that stands for a run which shipped nothing: SHA-256 of the predicate's canonical JSON."""
    return hashlib.sha256(canonical_json(predicate)).hexdigest()


def statement_about(
    receipt: ShipReceipt,
    *,
    commit: GitId | None = None,
    tree: GitId | None = None,
    patch: Sha256 | None = None,
    bundle: Sha256 | None = None,
) -> Statement:
    """Return the statement about what was shipped, or about the run itself if there is no commit and no tree.

    `patch` and `bundle` are the SHA-256 of the patch file and of the git bundle, for those who hold only one of these.
    """
    digests = {
        "commit": Digest(git_commit=commit) if commit else None,
        "tree": Digest(git_tree=tree) if tree else None,
        "ship.patch": Digest(sha256=patch) if patch else None,
        "ship.bundle": Digest(sha256=bundle) if bundle else None,
    }
    named = {name: digest for name, digest in digests.items() if digest}
    if not named:
        named = {"run": Digest(sha256=run_digest(as_json(receipt)))}
    return Statement.model_validate(
        {"subject": [{"name": n, "digest": d} for n, d in named.items()], "predicate": receipt}
    )
