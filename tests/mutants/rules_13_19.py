"""Mutants of rules 13 to 19."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

RUNS, RECORDS, LIMITS = "loopy/store/runs.py", "loopy/store/records.py", "loopy/domain/limits.py"

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
        engine(
            "moves",
            "    if run.cancel and run.segment is not Segment.FINISH:\n        return abort(tx, run)\n    if strikes",
            "    if strikes",
        ),
        "test_13_a_freed_run_that_was_cancelled_goes_to_its_end",
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
        engine("shipping", "if _changed_since(at, on):", "if False:"),
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

EFFECTS: tuple[Mutant, ...] = (
    mutant(
        15,
        "no_intent",
        engine("effects", "        tx.effects.intend(effect)\n", ""),
        "test_15_the_intent_is_on_record_before_anything_is_sent_and_names_the_commit",
    ),
    mutant(
        15,
        "no_look",
        engine("effects", "            return known[-1], False\n", "            return known[-1], True\n"),
        "test_15_a_death_around_the_push_does_not_push_twice[ship.after_push]",
    ),
    mutant(
        15,
        "no_settle",
        engine("effects", "elif desk.clock.awake() - since >= desk.settle_s(effect.target):", "else:"),
        "test_15_an_intended_effect_of_another_is_not_believed_absent_before_it_has_settled",
    ),
    mutant(
        15,
        "settle_asleep",
        (
            engine("effects", 'since, said = desk.clock.awake(), ""', 'since, said = desk.clock.now().timestamp(), ""'),
            engine(
                "effects",
                "fresh, since = False, desk.clock.awake()",
                "fresh, since = False, desk.clock.now().timestamp()",
            ),
            engine("effects", "elif desk.clock.awake() - since", "elif desk.clock.now().timestamp() - since"),
        ),
        "test_15_the_settle_time_counts_only_what_was_lived_through_awake",
    ),
    mutant(
        15,
        "present_waits_too",
        engine(
            "effects",
            "        if seen == effect.commit:\n",
            "        if seen == effect.commit and desk.clock.awake() - since >= desk.settle_s(effect.target):\n",
        ),
        "test_15_what_is_there_is_believed_at_once",
    ),
    mutant(
        15,
        "no_read_back",
        engine(
            "effects",
            "        fresh, since = False, desk.clock.awake()\n",
            '        return Pushed("done", _settle(desk, claim, effect, EffectState.DONE))\n',
        ),
        "test_15_what_was_sent_is_read_back_before_it_counts_as_done",
    ),
    mutant(
        15,
        "silence_taken_for_absence",
        engine(
            "effects",
            "        if seen is None:\n            looks += 1\n",
            "        if seen is None:\n            return None\n",
        ),
        "test_15_a_target_that_answers_no_question_is_not_sent_the_same_again",
    ),
    mutant(
        15,
        "refusal_keeps_intent",
        engine(
            "effects",
            'Pushed("refused", _settle(desk, claim, effect, EffectState.REFUSED, words), words)',
            'Pushed("refused", effect, words)',
        ),
        "test_15_after_a_refusal_the_next_try_takes_the_next_ordinal",
    ),
    mutant(
        15,
        "same_ordinal",
        engine("effects", "ordinal=len(known),", "ordinal=0,"),
        "test_15_after_a_refusal_the_next_try_takes_the_next_ordinal",
    ),
    mutant(
        15,
        "sent_for_ever",
        engine("effects", "for _ in range(SENDS):", "for _ in range(50):"),
        "test_15_a_target_that_can_be_read_but_not_written_is_a_persons_question",
    ),
    mutant(
        15,
        "intent_lost_in_a_power_cut",
        engine(
            "effects",
            "    with desk.graph.write(full=True) as tx:\n        run = mine",
            "    with desk.graph.write() as tx:\n        run = mine",
        ),
        "test_15_intents_and_their_ends_survive_a_power_cut",
    ),
)

RECEIPTS: tuple[Mutant, ...] = (
    mutant(
        16,
        "head_apart",
        (
            engine("ending", "seq, previous = tx.receipts.head()", "seq, previous = HEADS[run.id]"),
            engine("ending", "def end(desk: Desk", "HEADS: dict[str, tuple[int, str]] = {}\n\n\ndef end(desk: Desk"),
            engine(
                "perform",
                '        crashpoint("finish.before_transaction")\n',
                "        from loopy.engine.ending import HEADS\n\n"
                "        with self.desk.graph.read() as early:\n            HEADS[held.run.id] = early.receipts.head()\n"
                '        crashpoint("finish.before_transaction")\n',
            ),
        ),
        "test_16_a_run_that_ends_in_the_middle_of_another_ones_end_does_not_fork_the_chain",
    ),
    mutant(
        16,
        "chain_not_unique",
        Edit(
            "loopy/store/migrations/versions/0001_the_first_schema.py",
            '        sa.UniqueConstraint("previous", name=op.f("uq_receipt_previous")),\n',
            "",
        ),
        "test_16_the_store_itself_refuses_a_fork",
    ),
    mutant(
        16,
        "no_link",
        engine("ending", "            previous=previous,\n", '            previous=f"{seq}",\n'),
        "test_16_receipts_form_one_chain_without_a_gap",
    ),
    mutant(
        16,
        "end_lost_in_a_power_cut",
        engine("perform", "self.desk.graph.write(full=held.run.step is Step.SHIP)", "self.desk.graph.write()"),
        "test_15_intents_and_their_ends_survive_a_power_cut",
    ),
    mutant(
        16,
        "pushed_whatever_came_of_it",
        engine(
            "publish",
            "        if not desk.push_receipt(run):\n            return False\n",
            "        desk.push_receipt(run)\n",
        ),
        "test_16_a_receipt_that_could_not_be_pushed_is_pushed_later_and_the_end_stands",
    ),
)

DEPENDENCIES: tuple[Mutant, ...] = (
    mutant(
        17,
        "shipped_is_enough",
        engine("dependencies", "if shipped and any(_contains(desk, run, r) for r in shipped):", "if shipped:"),
        "test_17_a_dependency_is_done_when_its_change_is_in_the_base",
        "test_17_every_dependency_must_be_done",
    ),
    mutant(
        17,
        "ended_is_enough",
        engine("dependencies", '            reasons.append(f"{needed} has not shipped")\n', "            pass\n"),
        "test_17_a_failed_dependency_keeps_the_dependent_waiting",
    ),
    mutant(
        17,
        "one_is_enough",
        engine("dependencies", "ticket.depends_on if ticket", "ticket.depends_on[:1] if ticket"),
        "test_17_every_dependency_must_be_done",
    ),
    mutant(
        17,
        "no_budget",
        engine("spending", "if total <= policy.budget_micros:", "if True:"),
        "test_17_a_turn_reserves_its_share_of_the_budget_before_it_starts",
    ),
)

POISON: tuple[Mutant, ...] = (
    mutant(
        18,
        "poison_for_ever",
        engine("moves", "if strikes >= STRIKES and run.segment is not Segment.FINISH:", "if False:"),
        "test_18_a_run_that_kills_its_worker_again_and_again_ends_with_evidence",
    ),
    mutant(
        18,
        "poison_in_finish",
        engine("moves", "    if strikes >= STRIKES:  # it kills", "    if False:  # it kills"),
        "test_18_a_run_that_kills_in_finish_ends_by_a_bare_receipt[ship]",
        "test_18_the_bare_receipt_names_the_effects_that_are_still_open",
    ),
    mutant(
        18,
        "company_is_struck",
        engine("takeover", "alone = len(victims) == 1 or (len(suspects) == 1 and run.suspect)", "alone = True"),
        "test_18_those_who_were_only_in_company_are_not_struck",
        "test_18_the_only_suspect_among_the_dead_is_struck_and_the_others_are_not",
    ),
    mutant(
        18,
        "suspects_together",
        Edit(LIMITS, "(run.suspect and suspected) or ", ""),
        "test_18_suspects_are_readmitted_one_at_a_time",
    ),
    mutant(
        18,
        "silence_is_a_strike",
        engine(
            "takeover",
            '"its worker fell silent", death=False, own_doing=False',
            '"its worker fell silent", death=True, own_doing=True',
        ),
        "test_18_silence_is_nobodys_fault",
    ),
    mutant(
        18,
        "suspicion_for_life",
        engine("claims", '{"token": run.token + 1, "deaths": 0, "strikes": 0}', '{"token": run.token + 1}'),
        "test_18_a_step_that_was_finished_clears_the_suspicion",
    ),
    mutant(
        18,
        "open_effects_unnamed",
        engine("receipt", "open_effects=_open_effects(tx, run),", "open_effects=(),"),
        "test_18_the_bare_receipt_names_the_effects_that_are_still_open",
    ),
)

VERSIONS: tuple[Mutant, ...] = (
    mutant(
        19,
        "any_schema",
        Edit(RUNS, "if version > SCHEMA:", "if False:"),
        "test_19_a_journal_of_a_newer_schema_waits_visibly",
    ),
    mutant(
        19,
        "journal_forgotten",
        Edit("loopy/domain/outcome.py", 'kind: Literal["coded"] = "coded"', 'kind: Literal["code_turn"] = "code_turn"'),
        "test_19_the_journals_of_every_release_resume[0.1.0]",
    ),
    mutant(
        19,
        "no_host",
        engine("claims", '        "host": host,\n', ""),
        "test_19_rows_carry_the_host_that_claimed_them",
    ),
)

MUTANTS = CANCEL + APPROVAL + EFFECTS + RECEIPTS + DEPENDENCIES + POISON + VERSIONS
