"""Mutants of rules 1 to 6."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

STORE = "loopy/store/runs.py"

DISPATCH: tuple[Mutant, ...] = (
    mutant(
        1,
        "dispatch_keeps_epoch",
        engine("moves", '"epoch": run.epoch + 1,', '"epoch": run.epoch,'),
        "test_1_a_dispatch_sets_position_epoch_and_queued_and_then_rings",
    ),
    mutant(
        1,
        "epoch_in_segment",
        engine(
            "moves",
            'moved = {"step": step, "state": RunState.QUEUED, "owner": None, "rung_at"',
            'moved = {"epoch": run.epoch + 1, "step": step, "state": RunState.QUEUED, "owner": None, "rung_at"',
        ),
        "test_1_a_move_within_a_segment_keeps_the_epoch",
    ),
    mutant(
        1,
        "ring_in_transaction",
        engine(
            "perform",
            "            rings = self.desk.admission.admit(tx)\n",
            "            rings = self.desk.admission.admit(tx)\n            ring_all(self.desk.doorbell, rings)\n",
        ),
        "test_1_a_ring_comes_after_the_commit",
    ),
)

CLAIM: tuple[Mutant, ...] = (
    mutant(
        2,
        "no_token",
        engine(
            "claims",
            "if run is None or run.token != held.token or run.state is not RunState.RUNNING:",
            "if run is None or (run.epoch, run.step) != (held.run.epoch, held.run.step) or run.owner is None:",
        ),
        "test_2_a_stale_token_writes_nothing",
        "test_2_a_performer_whose_claim_another_took_over_writes_no_outcome",
    ),
    mutant(
        2,
        "takeover_keeps_token",
        (
            engine("claims", '"token": run.token + 1,\n        "beat": 0,', '"token": run.token,\n        "beat": 0,'),
            engine("moves", '{"token": run.token + 1, "deaths": deaths', '{"token": run.token, "deaths": deaths'),
        ),
        "test_2_the_token_grows_at_every_change_of_owner",
        "test_2_a_stale_token_writes_nothing",
    ),
    mutant(
        2,
        "claim_keeps_token",
        engine("claims", '"token": run.token + 1,\n        "beat": 0,', '"token": run.token,\n        "beat": 0,'),
        "test_2_every_claim_and_every_finish_takes_the_next_token",
    ),
    mutant(
        2,
        "free_keeps_token",
        engine("moves", '{"token": run.token + 1, "deaths": deaths', '{"token": run.token, "deaths": deaths'),
        "test_2_the_token_grows_at_every_change_of_owner",
    ),
    mutant(
        2,
        "finish_keeps_token",
        engine("claims", '{"token": run.token + 1, "deaths": 0', '{"token": run.token, "deaths": 0'),
        "test_2_every_claim_and_every_finish_takes_the_next_token",
    ),
    mutant(
        2,
        "cancel_keeps_token",
        engine("moves", "Failure.CANCELLED, token=run.token + 1, **changes)", "Failure.CANCELLED, **changes)"),
        "test_2_a_cancel_takes_the_next_token",
    ),
    mutant(
        2,
        "claim_any_state",
        engine(
            "claims", "if not (run.state is RunState.QUEUED and run.owner is None and", "if not (run.owner is None and"
        ),
        "test_2_what_waits_or_is_ready_is_not_claimed",
    ),
    mutant(
        2,
        "claim_any_epoch",
        engine("claims", "(run.step, run.epoch) == (step, epoch))", "run.step == step)"),
        "test_2_a_claim_matches_state_run_step_epoch_and_owner",
    ),
    mutant(
        2,
        "stream_unfenced",
        Edit(STORE, "if run is None or run.token != claim.token or run.state", "if run is None or run.state"),
        "test_2_a_stale_token_writes_nothing",
    ),
    mutant(
        2,
        "beat_unfenced",
        Edit(STORE, "if tokens.get(r.id) == r.token]", "if r.id in tokens]"),
        "test_2_a_stale_token_writes_nothing",
    ),
    mutant(
        2,
        "effect_unfenced",
        engine(
            "effects",
            "        run = mine(tx, claim)\n        known",
            "        run = tx.runs.get(claim.run.id) or claim.run\n        known",
        ),
        "test_2_a_stale_token_intends_no_effect",
    ),
    mutant(
        2,
        "budget_unfenced",
        engine("spending", "tx.runs.spend(mine(tx, claim), share, None)", "tx.runs.spend(claim.run, share, None)"),
        "test_2_a_stale_token_moves_no_budget",
    ),
)

CHAIN: tuple[Mutant, ...] = (
    mutant(
        3,
        "redelivery_cuts",
        engine("claims", "Superseded(chain_goes_on=behind)", "Superseded(chain_goes_on=False)"),
        "test_3_a_delivery_behind_the_position_lets_its_chain_go_on",
    ),
    mutant(
        3,
        "mismatch_goes_on",
        engine("claims", "Superseded(chain_goes_on=behind)", "Superseded(chain_goes_on=True)"),
        "test_3_any_other_mismatch_cuts_the_chain",
        "test_3_a_delivery_at_or_ahead_of_a_taken_position_cuts_its_chain[steps1-1]",
    ),
    mutant(
        3,
        "any_epoch_goes_on",
        engine("claims", "behind = run.epoch == epoch and is_behind", "behind = is_behind"),
        "test_3_a_delivery_of_an_older_dispatch_cuts_its_chain",
    ),
    mutant(
        3,
        "chain_not_cut",
        Edit("workers/tasks.py", "self.request.chain = None", "pass"),
        "stack/test_tasks.py::test_a_task_that_is_not_to_go_on_cuts_its_chain_and_succeeds",
    ),
)

FINAL: tuple[Mutant, ...] = (
    mutant(
        4,
        "limit_is_outcome",
        engine(
            "claims",
            "tx.runs.add_attempt(run, result)\n        case FailedOver",
            "tx.runs.add_outcome(run, result)\n        case FailedOver",
        ),
        "test_4_a_limit_is_an_attempt_and_never_an_outcome",
    ),
    mutant(
        4,
        "outcome_rewritten",
        (
            Edit(
                STORE,
                'if self._c.execute(OUTCOME, {"run": run.id, "turn": run.turn, "step": run.step}).first():',
                "if False:",
            ),
            Edit(
                STORE,
                "insert(s.event), insert(s.outcome)",
                'insert(s.event), insert(s.outcome).prefix_with("OR REPLACE")',
            ),
        ),
        "test_4_an_outcome_is_written_once",
    ),
    mutant(
        4,
        "rebase_in_the_same_turn",
        engine(
            "decide",
            '{"turn": run.turn + 1, "moves": 0, "verdict": None',
            '{"turn": run.turn, "moves": 0, "verdict": None',
        ),
        "test_4_a_ship_that_was_sent_back_with_a_conflict_is_a_turn_of_the_agent",
    ),
    mutant(
        4,
        "red_check_in_the_same_turn",
        engine("decide", 'changes = {"turn": run.turn + 1, "moves": 0}', 'changes = {"moves": 0}'),
        "engine/test_story.py::test_a_failed_check_becomes_the_next_turns_feedback",
    ),
)

FINISH: tuple[Mutant, ...] = (
    mutant(
        5,
        "event_apart",
        Edit(STORE, "self._event(moved, name, text, where_now | dict(facts or {}))", "pass"),
        "test_5_every_transition_has_its_event_and_the_numbers_have_no_gap",
    ),
    mutant(
        5,
        "outcome_apart",
        (
            engine("claims", "    _record(tx, run, result)\n    crashpoint", "    crashpoint"),
            engine(
                "perform",
                '        crashpoint("finish.before_transaction")\n',
                '        crashpoint("finish.before_transaction")\n'
                "        from loopy.engine.claims import _record\n\n"
                "        with self.desk.graph.write() as early:\n"
                "            _record(early, mine(early, held), result)\n",
            ),
        ),
        "test_5_a_worker_that_dies_in_the_finish_leaves_nothing_of_it",
    ),
    mutant(
        5,
        "finish_ignores_cancel",
        engine(
            "claims", "    if run.cancel and run.segment is not Segment.FINISH:\n        return abort(tx, run)\n", ""
        ),
        "test_5_the_cancel_flag_is_honoured_in_the_finish",
    ),
    mutant(
        5,
        "stream_event_by_event",
        engine("pulse", "full = len(self._events) >= BATCH", "full = True"),
        "test_5_stream_events_are_written_in_batches_and_in_order",
    ),
    mutant(
        5,
        "batch_lost",
        engine("pulse", "                    self._events = batch\n", ""),
        "test_5_a_batch_that_cannot_be_written_now_is_written_later",
        "test_5_an_agent_does_not_fail_because_its_stream_cannot_be_written",
    ),
)

RING: tuple[Mutant, ...] = (
    mutant(
        6,
        "rering_bumps",
        engine(
            "sweep",
            "                    rings.append(Ring.of(run))\n",
            "                    rings.append(Ring.of(moves.dispatch(tx, run, run.segment, run.step)))\n",
        ),
        "test_6_an_unheard_run_is_rung_again_under_the_same_epoch_and_ever_more_slowly",
        "test_6_a_ring_under_way_stays_good_when_it_is_rung_again",
    ),
    mutant(
        6,
        "no_backoff",
        engine("sweep", "RING_BACKOFF_S * 2 ** min(run.rings, RING_DOUBLINGS)", "RING_BACKOFF_S"),
        "test_6_an_unheard_run_is_rung_again_under_the_same_epoch_and_ever_more_slowly",
    ),
    mutant(
        6,
        "rings_for_nobody",
        engine("sweep", "if seen != run or QUEUES[run.step] not in served:", "if seen != run:"),
        "test_6_nobody_is_rung_for_a_queue_that_no_living_worker_serves",
    ),
    mutant(
        6,
        "finish_keeps_pace",
        engine("moves", '"owner": None, "rung_at": tx.now, "rings": 0}', '"owner": None, "rung_at": tx.now}'),
        "test_6_a_finish_within_the_segment_resets_the_pace",
    ),
    mutant(
        6,
        "free_keeps_pace",
        engine("moves", '"owner": None, "rung_at": long_ago, "rings": 0}', '"owner": None}'),
        "test_6_a_freed_run_is_rung_at_once_and_its_pace_begins_anew",
    ),
)

MUTANTS = DISPATCH + CLAIM + CHAIN + FINAL + FINISH + RING
