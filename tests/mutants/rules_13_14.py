"""Mutants of rules 13 and 14."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

RECORDS = "loopy/store/records.py"
UNOWNED = "engine/test_rules_13_unowned.py"

CANCEL: tuple[Mutant, ...] = (
    mutant(
        13,
        "cancel_blocks_finish",
        engine(
            "claims",
            "    if run.cancel and run.segment is not Segment.FINISH:\n        return Superseded",
            "    if run.cancel:\n        return Superseded",
        ),
        "test_13_a_cancelled_run_is_claimed_only_in_finish",
    ),
    mutant(
        13,
        "cancelled_is_claimed",
        engine(
            "claims",
            "    if run.cancel and run.segment is not Segment.FINISH:\n        return Superseded",
            "    if False:\n        return Superseded",
        ),
        "test_13_a_cancelled_run_is_claimed_only_in_finish",
    ),
    mutant(
        13,
        "cancel_orphaned",
        (
            engine(
                "moves",
                "    if run.cancel and run.segment is not Segment.FINISH:\n        return abort(tx, run)\n    if strikes",
                "    if strikes",
            ),
            engine("moves", "return abort(tx, freed) if freed.cancel else freed", "return freed"),
        ),
        "test_13_a_freed_run_that_was_cancelled_goes_to_its_end",
    ),
    mutant(
        13,
        "cancel_orphaned_in_a_suspect",
        engine(
            "moves",
            "    if run.cancel and run.segment is not Segment.FINISH:\n        return abort(tx, run)\n    if strikes",
            "    if strikes",
        ),
        f"{UNOWNED}::test_13_a_suspect_that_is_freed_with_the_flag_set_goes_to_its_end_and_not_back_to_its_step",
    ),
    mutant(
        13,
        "cancel_orphaned_by_a_finish",
        engine(
            "claims",
            "    if run.cancel and run.segment is not Segment.FINISH:\n        return abort(tx, run)\n",
            "",
        ),
        f"{UNOWNED}::test_13_a_step_that_ends_without_having_seen_the_cancel_sends_the_run_to_its_end",
    ),
    mutant(
        13,
        "cancel_unfenced",
        engine("effects", '        if run.cancel:\n            return Pushed("cancelled")\n', ""),
        "test_13_cancel_in_the_very_ship_step_but_before_its_intent_ships_nothing",
    ),
    mutant(
        13,
        "cancel_unsays_the_ship",
        engine("moves", "    if touched(tx, run):\n        return run\n", ""),
        "test_8_the_sweep_wakes_a_cancelled_run_that_is_still_shipping",
    ),
    mutant(
        13,
        "owner_not_told",
        engine("pulse", "leash.cancelled = leash.cancelled or bool(row and row.cancel)", "leash.cancelled = False"),
        "test_13_an_owner_sees_the_cancel_at_its_next_beat",
    ),
    mutant(
        13,
        "evidence_rewritten",
        engine(
            "moves",
            '        return ready(tx, run, Segment.FINISH, run.step, "cancelled"',
            '        return ready(tx, run, Segment.FINISH, Step.EVIDENCE, "cancelled"',
        ),
        "test_13_a_cancel_between_evidence_and_ship_does_not_rewrite_the_evidence",
    ),
    mutant(
        13,
        "evidence_skipped",
        engine(
            "moves",
            '        return ready(tx, run, Segment.FINISH, run.step, "cancelled"',
            '        return ready(tx, run, Segment.FINISH, Step.SHIP, "cancelled"',
        ),
        "test_13_a_cancel_while_the_evidence_waits_for_space_still_packs_it",
    ),
    mutant(
        13,
        "failure_becomes_abortion",
        engine(
            "moves",
            "verdict = run.verdict if run.verdict in (Verdict.FAILED, Verdict.REFUSED) else Verdict.ABORTED",
            "verdict = Verdict.ABORTED",
        ),
        "test_13_a_cancel_of_a_failed_run_leaves_it_failed",
    ),
    mutant(
        13,
        "drain_ends_a_cancelled_push",
        engine("perform", "if self.pulse.draining.is_set() and", 'if leash.stopping() == "draining" and'),
        "test_13_a_worker_that_drains_in_a_push_hands_it_back_even_when_it_is_cancelled_too",
    ),
)

APPROVAL: tuple[Mutant, ...] = (
    mutant(
        14,
        "approval_unbound",
        (
            engine("effects", "if a.answer and a.subject == shipment.subject]", "if a.answer]"),
            engine(
                "facts",
                "(a.answer for a in tx.approvals.of(run.id) if a.subject == bound_to)",
                "(a.answer for a in tx.approvals.of(run.id))",
            ),
        ),
        "test_14_an_approval_is_bound_to_the_diff_the_plan_and_the_policy",
        "test_14_another_digest_asks_again",
        "test_14_the_before_run_gate_asks_again_for_another_plan",
    ),
    mutant(
        14,
        "intent_without_approval",
        engine("effects", "if shipment.subject and not any(", "if False and not any("),
        "test_14_an_approval_is_bound_to_the_diff_the_plan_and_the_policy",
    ),
    mutant(
        14,
        "policy_unbound",
        engine("shipping", "if _changed_since(at, on) and not done:", "if False:"),
        "test_14_an_approval_does_not_outlive_a_change_of_policy",
    ),
    mutant(
        14,
        "last_answer_wins",
        (
            engine(
                "intake",
                "if run.state is RunState.WAITING and run.wait is Wait.APPROVAL and answered and answered[-1].answer is None:",
                "if answered:",
            ),
            Edit(
                RECORDS,
                "where = (s.approval.c.id == approval.id, s.approval.c.decision.is_(None))",
                "where = (s.approval.c.id == approval.id,)",
            ),
        ),
        "test_14_the_first_answer_wins",
    ),
    mutant(
        14,
        "answer_lost_in_a_power_cut",
        engine("intake", "with self.graph.write(full=True) as tx:", "with self.graph.write() as tx:"),
        "test_14_the_answer_the_audit_and_ready_come_together_or_not_at_all",
    ),
    mutant(
        14,
        "carried_without_checks",
        engine(
            "decide",
            'return Next("ready", Segment.TURN, Step.CHECK, "the target moved: rebased", changes)',
            'return Next("ready", Segment.FINISH, Step.EVIDENCE, "rebased", changes | {"verdict": Verdict.PASSED})',
        ),
        "test_14_a_carried_approval_still_needs_green_checks",
    ),
    mutant(
        14,
        "carried_unsaid",
        engine(
            "story", 'return answer.model_copy(update={"carried": rebased}) if rebased else answer', "return answer"
        ),
        "test_14_an_equal_digest_carries_the_approval_over_a_rebase",
    ),
    mutant(
        14,
        "fork_slips_past",
        engine("work", "if _slips_past(desk, claim.run, on):", "if False:"),
        "test_14_a_fork_does_not_slip_past_the_before_run_gate",
    ),
)

MUTANTS = CANCEL + APPROVAL
