"""Mutants of rules 4 to 6."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

EARS = "engine/test_rules_06_hearing.py"

STORE = "loopy/store/runs.py"
AWAY = "engine/test_rules_05_away.py"

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
                "    return OUTCOMES.validate_json(body)\n",
                "    return OUTCOMES.validate_json(body)\n\n\n"
                'ADD_OUTCOME = Prepared(ADD_OUTCOME.statement.prefix_with("OR REPLACE"))  # type: ignore\n',
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
        engine(
            "pulse",
            "        self._events.extend(events)\n",
            "        self._events.extend(events)\n        self.flush()\n",
        ),
        f"{AWAY}::test_5_an_agents_words_are_written_by_the_heart_alone_in_batches_and_in_order",
        f"{AWAY}::test_5_an_agent_does_not_wait_for_a_graph_that_cannot_be_written",
    ),
    mutant(
        5,
        "batch_lost",
        engine(
            "pulse",
            "            yield batch\n            del self._events[: len(batch)]",
            "            del self._events[: len(batch)]\n            yield batch",
        ),
        f"{AWAY}::test_5_a_batch_that_cannot_be_written_now_is_written_later",
        f"{AWAY}::test_5_a_finish_that_cannot_be_written_is_written_later_and_the_turn_is_not_done_again[locked-finish.in_transaction-0]",
    ),
    mutant(
        5,
        "batch_kept",
        engine("pulse", "            del self._events[: len(batch)]\n", ""),
        f"{AWAY}::test_5_an_agents_words_are_written_by_the_heart_alone_in_batches_and_in_order",
    ),
    mutant(
        5,
        "last_words_apart",
        engine(
            "perform",
            "            if said:\n                tx.runs.stream(held, said)\n            moved",
            "            moved",
        ),
        f"{AWAY}::test_5_the_last_words_come_with_the_finish_and_in_its_transaction",
    ),
    mutant(
        5,
        "finish_once",
        engine("perform", "if self.desk.clock.awake() > leash.deadline:", "if True:"),
        f"{AWAY}::test_5_a_finish_that_cannot_be_written_is_written_later_and_the_turn_is_not_done_again[locked-finish.in_transaction-0]",
    ),
    mutant(
        5,
        "finish_for_ever",
        engine("perform", "if self.desk.clock.awake() > leash.deadline:", "if False:"),
        f"{AWAY}::test_5_a_finish_is_tried_no_longer_than_its_claim_is_kept_alive",
    ),
    mutant(
        5,
        "finish_of_a_lost_claim",
        engine("perform", "while not leash.lost:", "while True:"),
        f"{AWAY}::test_5_a_finish_is_not_tried_after_the_claim_was_lost",
    ),
    mutant(
        5,
        "finish_without_a_heart",
        engine(
            "perform",
            "                moved, rings = self._record(leash, result, on)\n",
            "            moved, rings = self._record(leash, result, on)\n",
        ),
        f"{AWAY}::test_5_the_heart_keeps_the_claim_of_a_finish_that_waits",
    ),
    mutant(
        5,
        "finish_of_whatever_rises",
        engine("perform", "            except AwayError as error:\n", "            except Exception as error:\n"),
        f"{AWAY}::test_5_what_will_not_pass_is_not_tried_again",
    ),
    mutant(
        5,
        "full_graph_is_a_defect",
        engine("perform", "        except FullError as error:\n", "        except MemoryError as error:\n"),
        f"{AWAY}::test_5_a_step_that_met_a_full_graph_waits_for_room",
    ),
    mutant(
        5,
        "away_is_a_defect",
        engine("perform", "except (LostError, MigrationError, AwayError):", "except (LostError, MigrationError):"),
        f"{AWAY}::test_5_a_step_that_could_not_read_the_graph_is_done_again_and_is_no_defect",
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
        "death_rings_nobody",
        engine("sweep", "if died or _unheard(r, now)", "if _unheard(r, now)"),
        "test_6_a_death_rings_all_that_is_unclaimed_at_once_for_the_dead_may_have_had_the_ring_in_hand",
    ),
    mutant(
        6,
        "rings_for_nobody",
        engine(
            "sweep",
            "if tx.runs.get(run.id) == run and QUEUES[run.step] in served_queues(tx):",
            "if tx.runs.get(run.id) == run:",
        ),
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

DEAF: tuple[Mutant, ...] = (
    mutant(
        6,
        "deaf_though_it_heard",
        engine("hearing", " or case.heard != heard:", ":"),
        f"{EARS}::test_6_a_worker_that_heard_anything_at_all_is_not_deaf",
    ),
    mutant(
        6,
        "deaf_while_busy",
        engine("hearing", "None if busy else self._unclaimed(case)", "self._unclaimed(case)"),
        f"{EARS}::test_6_a_worker_that_is_busy_is_not_deaf_and_rings_nothing",
    ),
    mutant(
        6,
        "deaf_while_the_broker_is_away",
        engine(
            "hearing",
            '        if not self.doorbell.ring(ring.run_id, ring.epoch, ring.steps, ring.priority):\n            return ""\n',
            "        self.doorbell.ring(ring.run_id, ring.epoch, ring.steps, ring.priority)\n",
        ),
        f"{EARS}::test_6_a_broker_that_is_away_makes_nobody_deaf",
    ),
    mutant(
        6,
        "deaf_for_another_queue",
        engine("hearing", " and QUEUES[run.step] in self.queues]", "]"),
        f"{EARS}::test_6_what_is_for_other_queues_makes_nobody_deaf",
    ),
    mutant(
        6,
        "deaf_though_another_works",
        engine("hearing", "case is None or case.ring != Ring.of(run) or case.heard", "case is None or case.heard"),
        f"{EARS}::test_6_a_run_that_another_worker_goes_on_with_makes_nobody_deaf",
    ),
)

MUTANTS = FINAL + FINISH + RING + DEAF
