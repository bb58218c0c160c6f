"""Mutants of rules 15 and 16."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

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

MUTANTS = EFFECTS + RECEIPTS
