"""Whether a statement agrees with itself: checks with the verdict, approvals with what they were given to.

These rules read the statement alone. The notary asks them before it signs a PASSED, a verifier asks them again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loopy.domain.receipt import ApprovalFact, ShipReceipt
from loopy.domain.statement import Statement, as_json, run_digest
from loopy.domain.states import Verdict
from loopy.receipts.findings import Finding, claim, finding, shown


def agreement(statement: Statement, predicate: Mapping[str, Any] | None = None) -> tuple[Finding, ...]:
    """Return one finding per rule that a statement must keep within itself.

    `predicate` is the JSON that was read, where it may hold more than this version knows.
    """
    return (
        _subject(statement, as_json(statement.predicate) if predicate is None else predicate),
        _verdict(statement),
        _checked_tree(statement),
        _approvals(statement),
        _target(statement),
    )


def admissions(receipt: ShipReceipt) -> Iterator[str]:
    """Return, in words, what the receipt says against itself; none of it makes it invalid."""
    if receipt.verdict is not Verdict.PASSED:
        yield f"the run ended {receipt.verdict}: {shown(receipt.reason or 'no reason given')}"
    elif not receipt.checks:
        yield f"no check was run: {shown(receipt.reason or 'no reason given')}"
    if receipt.sandbox is None or receipt.sandbox.grade == "none":
        yield "the agent ran without a sandbox"
    elif receipt.sandbox.network == "unrestricted":
        yield "the agent's network was open: what it could read it could send away"
    if receipt.policy is None:
        yield "no policy is named"
    if receipt.signer.isolation == "same-user":
        yield "the signing key was readable for the user whose agents ran: they could have forged this receipt"
    yield from _told(receipt)


def _told(receipt: ShipReceipt) -> Iterator[str]:
    for turn in receipt.turns:
        if turn.scripted:
            yield f"turn {turn.n} was played by the scripted agent {shown(turn.agent)}, not by a model"
    for approval in receipt.approvals:
        if approval.carried:
            yield f"the approval by {shown(approval.by)} was given to an earlier commit with the same raw diff"
    for effect in receipt.open_effects:
        yield f"{shown(effect.kind)} number {effect.ordinal} was {effect.state} and not seen to its end"


def _subject(statement: Statement, predicate: Mapping[str, Any]) -> Finding:
    names = [subject.name for subject in statement.subject]
    if names == ["run"]:
        same = statement.subject[0].digest.sha256 == run_digest(predicate)
        return claim("subject", same, "the run itself: nothing was shipped", "the run's digest is not the predicate's")
    repo = statement.predicate.repo
    wrongs = (
        (len(set(names)) != len(names), "two subjects have one name"),
        ("run" in names, "the run stands beside what was shipped"),
        ("commit" in names and not statement.commit, "the commit has a digest of another kind"),
        ("tree" in names and not statement.tree, "the tree has a digest of another kind"),
        (statement.commit and not statement.tree, "a commit is named without its tree"),
        (statement.commit and not (repo and repo.raw_diff), "a commit is named without its base and raw diff"),
    )
    what = f"commit {statement.commit}" if statement.commit else "a tree that was not shipped"
    wrong = next((text for is_wrong, text in wrongs if is_wrong), "")
    return claim("subject", not wrong, what, wrong)


def _verdict(statement: Statement) -> Finding:
    receipt = statement.predicate
    if receipt.verdict is not Verdict.PASSED:
        yes, no = f"{receipt.verdict}: {receipt.reason}", f"{receipt.verdict} without a reason"
        return claim("verdict", bool(receipt.reason), yes, no)
    red = [check.name for check in receipt.checks if check.exit_code != 0]
    if red:
        return finding("verdict", False, f"PASSED although {', '.join(red)} did not exit 0")
    if not receipt.checks:
        yes, no = f"PASSED without checks: {receipt.reason}", "PASSED without checks and without a reason"
        return claim("verdict", bool(receipt.reason), yes, no)
    return finding("verdict", True, f"PASSED; every check exited 0 ({len(receipt.checks)})")


def _checked_tree(statement: Statement) -> Finding:
    trees = {check.tree.git_tree for check in statement.predicate.checks}
    if not trees:
        return finding("checked tree", True, "no checks")
    same = trees == {statement.tree} if statement.tree else len(trees) == 1
    no = "a check ran on another tree than the subject's"
    return claim("checked tree", same, f"every check ran on tree {min(trees)}", no)


def _approvals(statement: Statement) -> Finding:
    """Judge the answers that a PASSED rests on; other verdicts only report what was answered, and to what."""
    given = statement.predicate.approvals
    if statement.predicate.verdict is not Verdict.PASSED or not given:
        return finding("approvals", True, f"{len(given)} answers, none of which shipped anything" if given else "none")
    stray = [f"{a.gate} by {a.by}" for a in given if a.decision == "approve" and not _covers(a, statement)]
    if stray:
        return finding("approvals", False, f"given to something else: {', '.join(stray)}")
    rejected = [a.by for a in given if a.decision == "reject" and _covers(a, statement)]
    no = f"PASSED although rejected by {', '.join(rejected)}"
    return claim("approvals", not rejected, f"every approval was given to exactly this ({len(given)})", no)


def _covers(approval: ApprovalFact, statement: Statement) -> bool:
    receipt, over = statement.predicate, approval.over
    policy = receipt.policy.digest.sha256 if receipt.policy else None
    plan = receipt.plan.sha256 if receipt.plan else None
    raw_diff = receipt.repo.raw_diff.sha256 if receipt.repo and receipt.repo.raw_diff else None
    base = receipt.repo.base.digest.git_commit if receipt.repo else None
    if (over.policy, over.plan) != (policy, plan) or over.raw_diff not in {None, raw_diff}:
        return False
    if approval.carried:
        return over.raw_diff is not None
    if over.git_commit is not None:
        return over.git_commit == statement.commit
    return over.raw_diff is not None or (over.base is not None and over.base == base)


def _target(statement: Statement) -> Finding:
    repo, passed = statement.predicate.repo, statement.predicate.verdict is Verdict.PASSED
    if repo is None or repo.target is None:
        return finding("target", True, "nothing was pushed")
    said = repo.target.read_back.git_commit if repo.target.read_back else None
    if said is None:
        return finding("target", not passed, f"{repo.target.ref} was not read back")
    no = f"{repo.target.ref} was read back as {said}, which is not the subject's commit"
    return claim("target", said == statement.commit or not passed, f"{repo.target.ref} was read back as {said}", no)
