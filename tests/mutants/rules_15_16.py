"""Mutants of rules 15 and 16."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

OPEN, LEFT = "engine/test_rules_15_open.py", "engine/test_rules_16_files.py"
GUARDED, NAMED = "ship/test_remote_calls_in_guards.py", "receipts/test_receipt_files.py"
REMOTE, PACKS = "loopy/ship/git_remote.py", "loopy/bootstrap/packs.py"
STALE = f"{LEFT}::test_16_a_stale_worker_cannot_put_its_evidence_in_the_place_of_what_is_recorded"

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
        "unknown_stays_intended",
        engine(
            "effects",
            'Pushed("unknown", _settle(desk, claim, effect, EffectState.UNKNOWN, words), words)',
            'Pushed("unknown", effect, words)',
        ),
        f"{OPEN}::test_15_a_push_that_nobody_can_tell_of_is_unknown_on_record_and_said_so",
        f"{OPEN}::test_15_a_run_that_is_given_up_says_what_nobody_knows",
    ),
    mutant(
        15,
        "unknown_sent_blindly",
        engine(
            "effects", "if known and known[-1].state in OPEN:", "if known and known[-1].state is EffectState.INTENDED:"
        ),
        f"{OPEN}::test_15_an_unknown_push_becomes_a_persons_question_and_is_never_sent_blindly",
    ),
    mutant(
        15,
        "done_is_refused_later",
        (
            engine("shipping", "if decision.verdict is Verb.DENY and not done:", "if decision.verdict is Verb.DENY:"),
            engine(
                "ending",
                "    if run.verdict is Verdict.PASSED and done:\n        return Verdict.PASSED\n",
                "",
            ),
        ),
        f"{OPEN}::test_15_what_was_done_and_read_back_has_shipped_whatever_the_policy_says_by_now",
    ),
    mutant(
        15,
        "call_outlives_the_lease",
        engine(
            "tether",
            "        self.slack = self.slack or self.lease_left_s() <= 0\n",
            "        self.lease_left_s()\n",
        ),
        f"{OPEN}::test_15_a_call_whose_claim_is_not_kept_alive_is_ended_before_its_lease",
        f"{OPEN}::test_15_a_graph_that_cannot_be_read_prolongs_no_call",
    ),
    mutant(
        15,
        "stopped_call_keeps_its_claim",
        engine("effects", "        if not tether.slack:\n            raise\n", "        raise\n"),
        f"{OPEN}::test_15_a_ship_that_its_tether_stops_gives_its_claim_back_at_once",
        f"{OPEN}::test_15_a_ship_that_cannot_give_its_claim_back_tries_as_long_as_it_is_its_own",
    ),
    mutant(
        15,
        "gives_back_what_is_anothers",
        engine("perform", "moves.free(tx, mine(tx, leash.claim), why", "moves.free(tx, tx.runs.get(leash.run_id), why"),
        f"{OPEN}::test_15_a_ship_whose_claim_was_taken_gives_nothing_back",
    ),
    mutant(
        15,
        "beats_prolong_no_call",
        engine("tether", "if run is not None and run.token", "if False and run is not None and run.token"),
        f"{OPEN}::test_15_a_call_may_take_longer_than_a_lease_while_heartbeats_prolong_it",
    ),
    mutant(
        15,
        "call_with_the_rest_of_a_lease",
        engine("effects", "        tx.runs.beat(claim.worker, [claim])", "        pass"),
        f"{OPEN}::test_15_the_claim_is_renewed_with_the_intent_so_that_a_call_has_a_whole_lease_before_it",
    ),
    mutant(
        15,
        "settled_before_the_call_ran_out",
        Edit("loopy/bootstrap/desk.py", "REMOTE_SETTLE_S = CALL_S + 5.0", "REMOTE_SETTLE_S = CALL_S - 5.0"),
        f"{OPEN}::test_15_an_absence_is_believed_only_after_a_call_of_another_must_have_run_out",
    ),
    mutant(
        15,
        "worker_calls",
        (
            Edit(
                REMOTE,
                "        seen = capture(command, authorised=leash.authorised, stopping=_but_not_for_a_cancel(leash))\n",
                "        if not leash.authorised():\n            raise LostError(leash.run_id, 'not authorised')\n"
                "        ran = self.git.run(args, private, settings=transport(address), ok=range(256),\n"
                "            env=self._env(address, private), timeout_s=timeout_s)\n"
                "        seen = Captured(Exit(Ending.EXITED, code=ran.code), ran.out, ran.err.encode(), ran.cut)\n",
            ),
            Edit(
                REMOTE,
                "from loopy.process.command import Command, Ending, Marker\n",
                "from loopy.process.command import Command, Ending, Exit, Marker\n",
            ),
        ),
        f"{GUARDED}::test_every_remote_call_is_made_under_the_runs_lock_and_carries_the_claims_mark",
        f"{GUARDED}::test_a_newer_claim_ends_a_push_that_is_under_way_and_nothing_of_it_arrives",
    ),
    mutant(
        15,
        "call_without_the_runs_lock",
        Edit(REMOTE, "            lock=place.lock,\n", ""),
        f"{GUARDED}::test_every_remote_call_is_made_under_the_runs_lock_and_carries_the_claims_mark",
        f"{GUARDED}::test_a_newer_claim_ends_a_push_that_is_under_way_and_nothing_of_it_arrives",
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
        "test_15_intents_and_receipts_survive_a_power_cut",
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
        "test_15_intents_and_receipts_survive_a_power_cut",
    ),
    mutant(
        16,
        "told_before_it_is_on_the_disk",
        engine("sweep", "with self.desk.graph.write(full=True):", "with self.desk.graph.write():"),
        "test_16_a_receipt_that_a_dead_worker_left_is_on_the_disk_before_it_is_published",
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

MUTANTS = EFFECTS + RECEIPTS
