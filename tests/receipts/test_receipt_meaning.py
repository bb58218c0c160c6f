"""What is said: receipts whose signature holds and whose facts do not agree."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from loopy.domain.fact import CommitDigest
from loopy.domain.receipt import ApprovalScope, OpenEffectFact, SandboxFact
from loopy.domain.statement import SignedReceipt, Statement, canonical_json, run_digest
from loopy.domain.states import Verdict

from .support import (
    SHIPPED_AT,
    Check,
    DemoRepo,
    altered,
    digest,
    refused,
    sha256,
    untold,
    wrong,
)


def test_a_time_in_the_future_cannot_be_told(check: Check, signed: SignedReceipt) -> None:
    found = check(signed.envelope_bytes, now=SHIPPED_AT - timedelta(hours=1))
    assert (found.exit_code, untold(found)) == (2, {"time"})


def test_a_passed_run_with_a_red_check_is_invalid(check: Check, statement: Statement) -> None:
    for code in (1, -9, None):
        red = statement.predicate.checks[0].model_copy(update={"exit_code": code})
        assert wrong(check(altered(statement, checks=(red,)))) == {"verdict"}


def test_a_passed_run_without_checks_must_say_why(check: Check, statement: Statement) -> None:
    assert wrong(check(altered(statement, checks=()))) == {"verdict"}
    said = check(altered(statement, checks=(), reason="documentation only"))
    assert (said.exit_code, said.notes) == (0, ("no check was run: documentation only",))


def test_a_run_that_did_not_pass_must_say_why(check: Check, statement: Statement) -> None:
    assert wrong(check(altered(statement, verdict=Verdict.ABORTED))) == {"verdict"}
    assert check(altered(statement, verdict=Verdict.ABORTED, reason="cancelled by a person")).exit_code == 0


def test_a_check_on_another_tree_is_invalid(check: Check, statement: Statement) -> None:
    other = statement.predicate.checks[0].tree.model_copy(update={"git_tree": "1" * 40})
    strayed = statement.predicate.checks[0].model_copy(update={"tree": other})
    assert wrong(check(altered(statement, checks=(strayed,)))) == {"checked tree"}


@pytest.mark.parametrize(
    "over",
    [
        {"git_commit": "1" * 40},
        {"raw_diff": "1" * 64},
        {"policy": "1" * 64},
        {"plan": "1" * 64},
        {"plan": None},
        {"git_commit": None, "raw_diff": None},
        {"git_commit": None, "raw_diff": None, "base": "1" * 40},
    ],
)
def test_a_swapped_approval_is_invalid(check: Check, statement: Statement, over: dict[str, Any]) -> None:
    approval = statement.predicate.approvals[0]
    swapped = approval.model_copy(update={"over": approval.over.model_copy(update=over)})
    assert wrong(check(altered(statement, approvals=(swapped,)))) == {"approvals"}


def test_a_carried_approval_holds_for_the_same_raw_diff_and_is_told(check: Check, statement: Statement) -> None:
    approval = statement.predicate.approvals[0]
    earlier = approval.over.model_copy(update={"git_commit": "1" * 40})
    carried = approval.model_copy(update={"over": earlier, "carried": True})
    found = check(altered(statement, approvals=(carried,)))
    assert found.exit_code == 0
    assert any("earlier commit" in note for note in found.notes)
    bare = carried.model_copy(update={"over": earlier.model_copy(update={"raw_diff": None})})
    assert wrong(check(altered(statement, approvals=(bare,)))) == {"approvals"}


def test_an_approval_before_the_run_is_held_to_the_base(check: Check, statement: Statement, repo: DemoRepo) -> None:
    scope = ApprovalScope(base=repo.base, policy=digest("policy").sha256, plan=digest("plan").sha256)
    before = statement.predicate.approvals[0].model_copy(update={"gate": "before-run", "over": scope})
    assert check(altered(statement, approvals=(before,))).exit_code == 0


def test_a_rejected_change_cannot_have_passed(check: Check, statement: Statement) -> None:
    rejected = statement.predicate.approvals[0].model_copy(update={"decision": "reject"})
    assert wrong(check(altered(statement, approvals=(rejected,)))) == {"approvals"}


def test_a_push_that_was_read_back_as_something_else_is_invalid(check: Check, statement: Statement) -> None:
    assert statement.predicate.repo is not None
    assert statement.predicate.repo.target is not None
    for read_back in (CommitDigest(git_commit="1" * 40), None):
        target = statement.predicate.repo.target.model_copy(update={"read_back": read_back})
        moved = statement.predicate.repo.model_copy(update={"target": target})
        assert wrong(check(altered(statement, repo=moved))) == {"target"}


def test_a_commit_needs_its_tree_its_base_and_its_raw_diff(check: Check, statement: Statement) -> None:
    assert statement.predicate.repo is not None
    treeless = statement.model_copy(update={"subject": statement.subject[:1]})
    assert "subject" in wrong(check(treeless))
    vague = statement.predicate.repo.model_copy(update={"raw_diff": None})
    assert "subject" in wrong(check(altered(statement, repo=vague, approvals=())))


def test_subjects_are_named_once(check: Check, statement: Statement) -> None:
    twice = statement.model_copy(update={"subject": (*statement.subject, statement.subject[0])})
    assert wrong(check(twice)) == {"subject"}


def test_a_run_that_shipped_nothing_is_its_own_subject(check: Check, signed: SignedReceipt) -> None:
    nothing = refused(signed)
    raw = json.loads(nothing.to_bytes())
    assert raw["subject"] == [{"name": "run", "digest": {"sha256": run_digest(raw["predicate"])}}]
    assert raw["subject"][0]["digest"]["sha256"] == sha256(canonical_json(raw["predicate"]))
    assert check(nothing).exit_code == 0
    assert wrong(check(altered(nothing, reason="another reason"))) == {"subject"}


def test_a_receipt_admits_what_speaks_against_it(check: Check, signed: SignedReceipt) -> None:
    effect = OpenEffectFact(kind="push", ordinal=1, state="unknown")
    nothing = refused(signed)
    assert any("scripted agent rehearsal" in note for note in check(nothing).notes)
    assert any("without a sandbox" in note for note in check(nothing).notes)
    assert any("could have forged" in note for note in check(nothing).notes)
    assert any("push number 1" in note for note in check(altered(nothing, open_effects=(effect,))).notes)


def test_a_receipt_admits_that_the_network_was_open(check: Check, statement: Statement) -> None:
    box = SandboxFact(backend="bubblewrap 0.8.0", grade="fs-only", network="unrestricted")
    notes = check(altered(statement, sandbox=box)).notes
    assert any("the agent's network was open" in note for note in notes)
    assert not any("without a sandbox" in note for note in notes)
    assert not any("network was open" in note for note in check(statement).notes)
