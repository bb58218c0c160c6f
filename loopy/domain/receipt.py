"""The predicate of the ship receipt: what a run did, and what nobody may read into it.

`docs/receipt.md` specifies it for a reader; `loopy.domain.statement` puts it into an in-toto statement.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from loopy.domain.fact import (
    CommitDigest,
    Count,
    ExitCode,
    Fact,
    Flag,
    GitId,
    Name,
    Prose,
    Sha256,
    Sha256Digest,
    Timestamp,
    TreeDigest,
    Uri,
    Uuid,
)
from loopy.domain.policy import Verb
from loopy.domain.states import Verdict
from loopy.domain.ticket import Trust

CLAIM_SHIPPED = "The commit named in subject has the tree that passed the listed checks, and is what was shipped."
CLAIM_ENDED = "The run named here ended with this verdict for this reason; the facts below are what Loopy recorded."
NON_CLAIMS = (
    "Not a claim that the change is correct, safe, or reviewed beyond the approvals listed.",
    "Not a claim that the agent or model was the one named, beyond what its program reported.",
    "Not proof against the holder of the signing key, who can sign anything; an old receipt is kept honest by copies.",
)


class LoopyFact(Fact):
    """The Loopy that signed: `host` is its random install id."""

    version: Name
    host: Name


class TicketFact(Fact):
    """The ticket; `digest` is salted (see `salted_sha256`), for a short text could be guessed from its bare digest."""

    uri: Uri
    source: Name
    source_trust: Trust
    digest: Sha256Digest


class MissionFact(Fact):
    """The mission that the ticket belongs to."""

    uri: Uri


class RunFact(Fact):
    """The run, by its public id."""

    id: Name


class BaseFact(Fact):
    """Where the run began."""

    ref: Name
    digest: CommitDigest


class TargetFact(Fact):
    """Where the commit went, and what that place said when it was asked afterwards."""

    ref: Name
    read_back: CommitDigest | None = None


class StatsFact(Fact):
    """The size of the change."""

    files: Count
    added: Count
    deleted: Count


class RepoFact(Fact):
    """The repository; `raw_diff` digests `git diff-tree -r -z --raw --no-renames --no-abbrev base head`."""

    uri: Uri
    base: BaseFact
    target: TargetFact | None = None
    raw_diff: Sha256Digest | None = None
    stats: StatsFact | None = None


class TokensFact(Fact):
    """Tokens as the agent's program reported them."""

    input: Count = Field(alias="in")
    output: Count = Field(alias="out")


class TurnFact(Fact):
    """One turn: who worked, and the digest of its redacted transcript. `scripted` marks a rehearsed agent."""

    n: Count
    agent: Name
    scripted: Flag
    cli_version: Name | None = None
    cli_digest: Sha256Digest | None = None
    model: Name | None = None
    model_source: Literal["cli-event", "config", "unknown"] = "unknown"
    attempts: Count = 1
    exit: Name
    transcript: Sha256Digest | None = None
    tokens: TokensFact | None = None


class FailoverFact(Fact):
    """The work moved from one agent to another."""

    turn: Count
    moved_from: Name = Field(alias="from")
    moved_to: Name = Field(alias="to")
    why: Prose
    at: Timestamp


class SandboxFact(Fact):
    """What held the agent."""

    backend: Name
    grade: Literal["full", "fs-only", "none"]
    network: Name
    network_log: Sha256Digest | None = None


class FindingFact(Fact):
    """One finding of the gate."""

    rule: Name
    decision: Verb
    why: Prose


class PolicyFact(Fact):
    """The policy in force when the run ended."""

    uri: Uri
    digest: Sha256Digest
    risk_tier: Annotated[int, Strict(), Field(ge=0, le=3)]
    findings: tuple[FindingFact, ...] = ()


class CheckFact(Fact):
    """One check of the last turn, run by Loopy on `tree`; without an exit code it did not end by itself."""

    name: Name
    argv: tuple[Prose, ...]
    cwd: Name = "."
    exit_code: ExitCode | None = None
    why: Prose | None = None
    tree: TreeDigest
    workspace: Literal["clean-checkout", "run-workspace"] = "clean-checkout"
    log: Sha256Digest | None = None
    started_at: Timestamp
    duration_ms: Count


class ReviewFact(Fact):
    """One agent's word on the tree, in a fresh context; it may object, and overrules nothing."""

    agent: Name
    kind: Literal["review", "security"]
    approved: bool
    scripted: bool = False
    remarks: Count
    tree: TreeDigest
    transcript: Sha256Digest | None = None


class ApprovalScope(Fact):
    """What a person saw: the base before a run, the commit and its raw diff before a ship; policy and plan always."""

    base: GitId | None = None
    git_commit: GitId | None = None
    raw_diff: Sha256 | None = None
    policy: Sha256
    plan: Sha256 | None = None


class ApprovalFact(Fact):
    """A person's answer; `carried` says that it was given to an earlier commit with the same raw diff."""

    gate: Name
    decision: Literal["approve", "reject"]
    by: Name
    authn: Name
    over: ApprovalScope
    carried: Flag = False
    at: Timestamp
    ref: Name | None = None


class EvidenceFact(Fact):
    """A file of the evidence pack."""

    name: Name
    digest: Sha256Digest


class OpenEffectFact(Fact):
    """An act on the outside world whose end was not known when the run ended; ref and commit say where to look for it."""

    kind: Name
    ordinal: Count
    state: Literal["intended", "unknown"]
    key: Name | None = None
    ref: Name | None = None
    digest: CommitDigest | None = None


class ChainFact(Fact):
    """The place in the log; `previous` digests the signed bytes (PAE) of number `seq - 1`, and only 1 has none."""

    log: Name
    seq: Annotated[int, Strict(), Field(ge=1, le=2**53 - 1)]
    previous: Sha256Digest | None = None

    @model_validator(mode="after")
    def _begins_once(self) -> ChainFact:
        if (self.seq == 1) != (self.previous is None):
            raise ValueError("the first receipt of a log, and only the first, has no previous one")
        return self


class SignerFact(Fact):
    """How far the signing key was kept from the agent."""

    isolation: Literal["same-user", "sandboxed-agent", "separate-user", "hardware"]


class ShipReceipt(Fact):
    """The predicate."""

    receipt_id: Uuid
    time_shipped: Timestamp
    verdict: Verdict
    reason: Prose | None = None
    loopy: LoopyFact
    ticket: TicketFact
    mission: MissionFact | None = None
    run: RunFact
    repo: RepoFact | None = None
    turns: tuple[TurnFact, ...] = ()
    failovers: tuple[FailoverFact, ...] = ()
    sandbox: SandboxFact | None = None
    plan: Sha256Digest | None = None
    route: Sha256Digest | None = None
    policy: PolicyFact | None = None
    checks: tuple[CheckFact, ...] = ()
    reviews: tuple[ReviewFact, ...] | None = None  # None: none was asked for
    approvals: tuple[ApprovalFact, ...] = ()
    evidence: tuple[EvidenceFact, ...] = ()
    open_effects: tuple[OpenEffectFact, ...] = ()
    chain: ChainFact
    signer: SignerFact
    claims: tuple[Prose, ...]
    non_claims: tuple[Prose, ...] = NON_CLAIMS


def salted_sha256(salt: bytes, text: str) -> Sha256Digest:
    """Return the digest of `text` under a secret random `salt` of 16 bytes or more (HMAC-SHA-256).

    Titles and prompts are short enough to be guessed from a bare digest; who holds the salt can still prove the text.
    """
    if len(salt) < 16:
        raise ValueError("a salt has at least 16 bytes")
    return Sha256Digest(sha256=hmac.new(salt, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest())
