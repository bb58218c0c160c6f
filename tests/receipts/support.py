"""A small repository with fixed ids, receipts about it, and a git reader for tests."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loopy.domain.fact import CommitDigest, Sha256Digest, TreeDigest
from loopy.domain.policy import Verb
from loopy.domain.receipt import (
    CLAIM_ENDED,
    CLAIM_SHIPPED,
    ApprovalFact,
    ApprovalScope,
    BaseFact,
    ChainFact,
    CheckFact,
    EvidenceFact,
    FailoverFact,
    FindingFact,
    LoopyFact,
    PolicyFact,
    RepoFact,
    RunFact,
    SandboxFact,
    ShipReceipt,
    SignerFact,
    StatsFact,
    TargetFact,
    TicketFact,
    TokensFact,
    TurnFact,
    salted_sha256,
)
from loopy.domain.statement import SignedReceipt, Statement, canonical_json, statement_about
from loopy.domain.states import Verdict
from loopy.domain.ticket import Trust
from loopy.receipts.findings import Verification
from loopy.receipts.keys import SigningKey
from loopy.receipts.notary import Notary
from loopy.receipts.signers import TrustedKey

Check = Callable[..., Verification]
DATA = Path(__file__).parents[1] / "data" / "receipts"
TEST_KEY = DATA / "TEST_KEY_trust_it_nowhere_ed25519"
HOST = "test-install-0001"
IDENTITY = "loopy@test-install-0001"
SHIPPED_AT = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
NOW = SHIPPED_AT + timedelta(days=1)
GIT_ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_NO_REPLACE_OBJECTS": "1",
    **{
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Loopy"), ("EMAIL", "loopy@localhost"), ("DATE", "1700000000 +0000"))
    },
}


def git(repo: Path, *args: str) -> bytes:
    done = subprocess.run(["git", "-C", str(repo), *args], env=GIT_ENV, capture_output=True, check=True)
    return done.stdout


@dataclass(frozen=True)
class DemoRepo:
    path: Path
    base: str
    head: str
    tree: str
    side: str  # a commit with the head's tree that does not stand on the base
    raw_diff: str
    patch: str


def demo_repo(path: Path) -> DemoRepo:
    """Make a repository of two commits; every id is the same on every machine."""
    path.mkdir(parents=True)
    git(path, "init", "--quiet", "--initial-branch=main")
    (path / "add.py").write_text("def add(a, b):\n    return a - b\n")
    git(path, "add", "-A")
    git(path, "commit", "--quiet", "-m", "Begin")
    base = git(path, "rev-parse", "HEAD").decode().strip()
    (path / "add.py").write_text("def add(a, b):\n    return a + b\n")
    (path / "test_add.py").write_text("from add import add\n\n\ndef test_add():\n    assert add(2, 2) == 4\n")
    git(path, "add", "-A")
    git(path, "commit", "--quiet", "-m", "Add instead of subtracting\n\nLoopy-Run: LP-12.3")
    head = git(path, "rev-parse", "HEAD").decode().strip()
    tree = git(path, "rev-parse", "HEAD^{tree}").decode().strip()
    side = git(path, "commit-tree", tree, "-m", "Stands alone").decode().strip()
    raw = git(path, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, head)
    patch = git(path, "diff-tree", "-p", "--full-index", "--binary", base, head)
    return DemoRepo(path, base, head, tree, side, sha256(raw), sha256(patch))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(text: str) -> Sha256Digest:
    return Sha256Digest(sha256=sha256(text.encode()))


def shipped(repo: DemoRepo) -> Statement:
    """The statement of a run that passed: two turns, a failover, an approval, a push that was read back."""
    finding = FindingFact(rule="ask-first", decision=Verb.ASK, why="test_add.py is new")
    receipt = ShipReceipt(
        receipt_id="01935400-0000-7000-8000-000000000001",
        time_shipped=SHIPPED_AT,
        verdict=Verdict.PASSED,
        loopy=LoopyFact(version="0.1.0", host=HOST),
        ticket=_ticket(),
        run=RunFact(id="LP-12.3"),
        repo=_repo(repo),
        turns=_turns(),
        failovers=(FailoverFact(turn=1, moved_from="codex", moved_to="claude", why="quota", at=SHIPPED_AT),),
        sandbox=SandboxFact(backend="bubblewrap 0.8.0", grade="full", network="allowlist"),
        plan=digest("plan"),
        route=digest("route"),
        policy=PolicyFact(uri="loopy:policy/default", digest=digest("policy"), risk_tier=1, findings=(finding,)),
        checks=(_check(repo),),
        approvals=(_approval(repo),),
        evidence=(EvidenceFact(name="evidence.json", digest=digest("evidence")),),
        chain=ChainFact(log=HOST, seq=1),
        signer=SignerFact(isolation="sandboxed-agent"),
        claims=(CLAIM_SHIPPED,),
    )
    return statement_about(receipt, commit=repo.head, tree=repo.tree, patch=repo.patch)


def _repo(repo: DemoRepo) -> RepoFact:
    return RepoFact(
        uri="git+https://git.example.org/demo/add",
        base=BaseFact(ref="refs/heads/main", digest=CommitDigest(git_commit=repo.base)),
        target=TargetFact(ref="refs/heads/loopy/LP-12.3", read_back=CommitDigest(git_commit=repo.head)),
        raw_diff=Sha256Digest(sha256=repo.raw_diff),
        stats=StatsFact(files=2, added=6, deleted=1),
    )


def _turns() -> tuple[TurnFact, ...]:
    first = TurnFact(n=1, agent="codex", scripted=False, cli_version="0.169.0", exit="usage_limit", attempts=2)
    second = TurnFact(
        n=2,
        agent="claude",
        scripted=False,
        model="as-reported",
        model_source="cli-event",
        exit="ok",
        transcript=digest("transcript"),
        tokens=TokensFact(input=1200, output=340),
    )
    return (first, second)


def _check(repo: DemoRepo) -> CheckFact:
    return CheckFact(
        name="pytest",
        argv=("pytest", "-q"),
        exit_code=0,
        tree=TreeDigest(git_tree=repo.tree),
        log=digest("1 passed"),
        started_at=SHIPPED_AT - timedelta(minutes=1),
        duration_ms=412,
    )


def _approval(repo: DemoRepo) -> ApprovalFact:
    policy, plan = digest("policy").sha256, digest("plan").sha256
    return ApprovalFact(
        gate="before-ship",
        decision="approve",
        by="mailto:reviewer@example.org",
        authn="ui-session",
        over=ApprovalScope(git_commit=repo.head, raw_diff=repo.raw_diff, policy=policy, plan=plan),
        at=SHIPPED_AT - timedelta(seconds=20),
    )


def refused(previous: SignedReceipt, seq: int = 2) -> Statement:
    """The statement of a run that shipped nothing, the next in the chain."""
    receipt = ShipReceipt(
        receipt_id=f"01935400-0000-7000-8000-{seq:012d}",
        time_shipped=SHIPPED_AT + timedelta(minutes=seq),
        verdict=Verdict.REFUSED,
        reason="the change touches infra/, which the policy denies",
        loopy=LoopyFact(version="0.1.0", host=HOST),
        ticket=_ticket(),
        run=RunFact(id=f"LP-13.{seq}"),
        turns=(TurnFact(n=1, agent="rehearsal", scripted=True, exit="ok"),),
        chain=ChainFact(log=HOST, seq=seq, previous=Sha256Digest(sha256=previous.digest)),
        signer=SignerFact(isolation="same-user"),
        claims=(CLAIM_ENDED,),
    )
    return statement_about(receipt)


def _ticket() -> TicketFact:
    salted = salted_sha256(b"a salt for tests", "add() subtracts")
    return TicketFact(uri="loopy:ticket/LP-12", source="cli", source_trust=Trust.OWNER, digest=salted)


def key_from(seed: int) -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), f"loopy@{HOST}")


def golden_key() -> SigningKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    private = load_ssh_private_key(TEST_KEY.read_bytes(), password=None)
    assert isinstance(private, Ed25519PrivateKey)
    return SigningKey(private, f"loopy@{HOST}")


def trusted(key: SigningKey, **facts: Any) -> TrustedKey:
    return TrustedKey(key.public, IDENTITY, **facts)


def notary(key: SigningKey) -> Notary:
    return Notary(key, HOST)


def altered(statement: Statement, **predicate: Any) -> Statement:
    """The statement with other values in its predicate, checked anew."""
    return statement.model_copy(update={"predicate": statement.predicate.model_copy(update=predicate)})


def sealed_json(key: SigningKey, statement: Statement, **changes: Any) -> bytes:
    """An envelope over the statement's JSON after raw changes, as a signer with other code could make it."""
    from loopy.receipts import dsse

    raw = json.loads(statement.to_bytes())
    for place, value in changes.items():
        *parents, last = place.split("__")
        at = raw
        for parent in parents:
            at = at[int(parent) if parent.isdigit() else parent]
        at[last] = value
    return dsse.seal(canonical_json(raw), key)


def answers(found: Verification) -> dict[str, bool | None]:
    """The worst answer under each finding's name."""
    worst: dict[str, bool | None] = {}
    for each in found.findings:
        if each.name not in worst or worst[each.name] is True or each.ok is False:
            worst[each.name] = each.ok
    return worst


def wrong(found: Verification) -> set[str]:
    return {each.name for each in found.findings if each.ok is False}


def untold(found: Verification) -> set[str]:
    return {each.name for each in found.findings if each.ok is None}
