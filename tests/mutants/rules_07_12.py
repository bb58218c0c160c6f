"""Mutants of rules 7 to 12."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

STORE, LIMITS = "loopy/store/runs.py", "loopy/domain/limits.py"
TAKEOVER, RUNNER, GUARD = "loopy/process/groups.py", "loopy/process/runner.py", "loopy/process/guard.py"

LIVENESS: tuple[Mutant, ...] = (
    mutant(
        7,
        "wall_lease",
        (
            engine("liveness", "now = self.clock.awake()", "now = self.clock.now().timestamp()"),
            engine("liveness", "min(now - known.at, LOOK_CAP_S)", "now - known.at"),
        ),
        "test_7_a_jump_of_the_wall_clock_steals_nothing",
        "test_7_a_wall_clock_that_is_set_back_keeps_nobody_alive",
    ),
    mutant(
        7,
        "uncapped_watch",
        engine("liveness", "min(now - known.at, LOOK_CAP_S)", "now - known.at"),
        "test_7_a_gap_in_which_the_observer_itself_slept_counts_two_seconds",
    ),
    mutant(
        7,
        "no_lease",
        engine(
            "liveness", "return [run for run in running if looks[run.id]", "return [run for run in () if looks[run.id]"
        ),
        "test_7_a_silent_owner_is_freed_after_a_lease_that_was_watched",
    ),
    mutant(
        7,
        "silence_inherited",
        engine("liveness", "(run.token, run.beat), self.seen", "(0, run.beat), self.seen"),
        "test_7_a_new_owner_is_not_blamed_for_the_silence_of_the_old_one",
    ),
    mutant(
        7,
        "beats_for_ever",
        engine("pulse", "if not leash.lost and awake <= leash.deadline]", "if not leash.lost]"),
        "test_7_a_beat_resets_the_silence_and_stops_at_the_deadline",
    ),
    mutant(
        7,
        "dead_unseen",
        engine("sweep", "if self.desk.alive.dead(worker):", "if False:"),
        "test_7_a_dead_owner_is_freed_at_once_however_young_its_lease",
    ),
    mutant(
        7,
        "buried_alive_in_the_graph",
        engine(
            "takeover",
            "    with desk.graph.write() as tx:\n        victims",
            "    desk.alive.bury(worker)\n    with desk.graph.write() as tx:\n        victims",
        ),
        "test_7_a_dead_owners_file_is_removed_only_after_its_row_is_closed",
    ),
    mutant(
        7,
        "name_before_lock",
        Edit(
            "loopy/process/alive.py",
            "    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n    os.rename(temporary, path)\n",
            "    os.rename(temporary, path)\n    os.sched_yield()\n    fcntl.flock(fd, fcntl.LOCK_EX)\n",
        ),
        "engine/test_rules_07_alive.py::test_7_a_lock_is_held_from_the_moment_that_its_name_can_be_seen",
    ),
    mutant(
        7,
        "heart_dies",
        engine("pulse", "_safely(self.beat)", "self.beat()"),
        "test_7_the_heart_outlives_any_surprise",
    ),
    mutant(
        7,
        "one_write_per_claim",
        engine(
            "pulse",
            "        with self._graph.write() as tx:\n            rows = tx.runs.beat(self._worker, [leash.claim for leash in alive])\n",
            "        rows = {}\n        for leash in alive:\n            with self._graph.write() as tx:\n"
            "                rows |= tx.runs.beat(self._worker, [leash.claim])\n",
        ),
        "test_7_all_claims_of_a_process_share_one_heartbeat",
    ),
    mutant(
        7,
        "freed_without_a_second_look",
        engine("takeover", "(run.token, run.beat, run.state):", "(now.token, now.beat, now.state):"),
        "test_7_a_run_freed_for_silence_only_if_it_is_still_as_it_was_seen",
    ),
)

SWEEP: tuple[Mutant, ...] = (
    mutant(
        8,
        "no_sweep",
        engine(
            "sweep",
            "        rings = self._free(workers, running)\n",
            "        return 0\n        rings = self._free(workers, running)\n",
        ),
        "test_8_the_sweep_wakes_what_is_due_and_admits_it",
        "test_8_the_sweep_sends_an_unowned_cancelled_run_to_its_end",
        "test_8_the_sweep_publishes_a_receipt_that_was_not",
    ),
    mutant(
        8,
        "nothing_wakes",
        engine("sweep", " + self._each(due, _wake)", ""),
        "test_8_the_sweep_wakes_what_is_due_and_admits_it",
    ),
    mutant(
        8,
        "cancelled_stays",
        engine("sweep", "self._each(orphaned, _abort) + ", ""),
        "test_8_the_sweep_sends_an_unowned_cancelled_run_to_its_end",
    ),
    mutant(
        8,
        "cancelled_ship_sleeps",
        Edit(
            STORE,
            'others = or_(s.run.c.cancel.is_(False), s.run.c.segment == "finish")',
            "others = s.run.c.cancel.is_(False)",
        ),
        "test_8_the_sweep_wakes_a_cancelled_run_that_is_still_shipping",
    ),
    mutant(
        8,
        "receipt_forgotten",
        engine("sweep", "                publish(self.desk, run)\n", "                pass\n"),
        "test_8_the_sweep_publishes_a_receipt_that_was_not",
    ),
    mutant(
        8,
        "stale_row_moved",
        engine("sweep", "if now is not None and now.version == run.version:", "if now is not None:"),
        "test_8_a_row_that_moved_between_the_look_and_the_act_is_left_alone",
    ),
)

GUARDS: tuple[Mutant, ...] = (
    mutant(
        9,
        "code_without_lock",
        engine("work", "    desk.guards.clear(claim.run.id, claim.token)\n    if over", "    if over"),
        "test_9_the_runs_lock_is_had_before_anything_acts",
        "test_9_a_claimant_that_finds_a_newer_one_at_work_does_nothing[code]",
    ),
    mutant(
        9,
        "check_without_lock",
        engine(
            "work",
            "    at = scene(desk.graph, claim)\n    desk.guards.clear(claim.run.id, claim.token)\n",
            "    at = scene(desk.graph, claim)\n",
        ),
        "test_9_a_claimant_that_finds_a_newer_one_at_work_does_nothing[check]",
    ),
    mutant(
        9,
        "ship_without_lock",
        engine("shipping", "    desk.guards.clear(claim.run.id, claim.token)\n", ""),
        "test_9_a_claimant_that_finds_a_newer_one_at_work_does_nothing[ship]",
    ),
    mutant(
        9,
        "authorised_without_a_look",
        engine("pulse", "                mine(tx, self.claim)\n", "                tx.runs.get(self.run_id)\n"),
        "test_9_a_leash_is_authorised_only_while_its_token_is_current",
        "test_9_a_push_whose_token_was_taken_meanwhile_is_not_sent",
    ),
    mutant(
        9,
        "no_run_lock",
        Edit(RUNNER, "if self.wish is None and self.authorised():", "if self.wish is None:"),
        "process/test_process_takeover.py::test_a_command_whose_claim_is_not_current_never_starts",
    ),
    mutant(
        9,
        "no_kill_first",
        Edit(TAKEOVER, "    if holder.token < marker.token:\n        kill_guard", "    if False:\n        kill_guard"),
        "process/test_process_takeover.py::test_a_newer_claim_needs_no_help_from_a_frozen_worker_and_guard",
    ),
    mutant(
        9,
        "kill_any_group",
        (
            Edit(TAKEOVER, "    if holder.token > marker.token:\n", "    if False:\n"),
            Edit(TAKEOVER, "    if holder.token < marker.token:\n", "    if True:\n"),
        ),
        "process/test_process_takeover.py::test_an_older_claim_ends_itself_and_harms_nobody",
    ),
    mutant(
        9,
        "guard_outlives_its_worker",
        Edit(GUARD, '            self.end_for("orphaned")\n', "            pass\n"),
        "process/test_process_deaths.py::test_when_the_worker_is_killed_all_of_its_command_is_gone_in_three_seconds",
    ),
    mutant(
        9,
        "guard_hears_no_silence",
        Edit(GUARD, '            self.end_for("silent")\n', "            pass\n"),
        "process/test_process_deaths.py::test_a_silent_worker_loses_its_command_and_learns_it_when_it_wakes",
    ),
)

ADMISSION: tuple[Mutant, ...] = (
    mutant(
        10,
        "no_count",
        Edit(LIMITS, "any(used[key] >= limit for key, limit in wanted.items())", "False"),
        "test_10_slots_are_counted_from_live_rows",
        "test_10_host_agent_account_repository_and_mission_each_have_a_limit[limits1-9-facts1-2]",
    ),
    mutant(
        10,
        "queued_not_counted",
        engine("admission", "by_state(RunState.QUEUED, RunState.RUNNING)", "by_state(RunState.RUNNING)"),
        "test_10_slots_are_counted_from_live_rows",
    ),
    mutant(
        10,
        "counter_slots",  # kept by the workers, given back at a finish: a cancel of a queued run leaks one
        (
            engine(
                "admission", "live = tx.runs.by_state(RunState.QUEUED, RunState.RUNNING)", "live = list(TAKEN.values())"
            ),
            engine(
                "admission",
                "        return [Ring.of(dispatch(",
                "        TAKEN.update({r.id: r for r in chosen})\n        return [Ring.of(dispatch(",
            ),
            engine(
                "admission",
                "@dataclass(frozen=True, slots=True)\nclass Admission",
                "TAKEN: dict[str, object] = {}\n\n\n@dataclass(frozen=True, slots=True)\nclass Admission",
            ),
            engine(
                "perform",
                "            rings = self.desk.admission.admit(tx)\n",
                "            from loopy.engine.admission import TAKEN\n\n"
                "            if moved.state is not RunState.QUEUED:\n                TAKEN.pop(moved.id, None)\n"
                "            rings = self.desk.admission.admit(tx)\n",
            ),
        ),
        "test_10_a_cancelled_run_gives_its_slot_away_at_once",
    ),
    mutant(
        10,
        "answer_dispatches",
        engine(
            "intake",
            '        moves.ready(tx, run, run.segment, run.step, f"approved by',
            '        moves.dispatch(tx, run, run.segment, run.step, f"approved by',
        ),
        "test_10_an_answer_sets_ready_and_admission_dispatches",
    ),
    mutant(
        10,
        "wake_dispatches",
        engine(
            "sweep",
            '    moves.ready(tx, run, run.segment, run.step, f"woken',
            '    moves.dispatch(tx, run, run.segment, run.step, f"woken',
        ),
        "test_10_what_wakes_up_waits_for_a_slot_as_well",
    ),
    mutant(
        10,
        "red_check_loses_its_slot",
        engine(
            "decide",
            'return Next("dispatch", Segment.TURN, Step.CODE, text, changes)',
            'return Next("ready", Segment.TURN, Step.CODE, text, changes)',
        ),
        "test_10_a_red_check_keeps_its_slot_for_its_own_next_turn",
    ),
    mutant(
        10,
        "freed_slot_waits_for_the_sweep",
        engine("perform", "            rings = self.desk.admission.admit(tx)\n", "            rings = []\n"),
        "test_10_a_freed_slot_goes_to_the_next_in_the_same_transaction",
    ),
    mutant(
        10,
        "serves_nobody",
        engine(
            "admission",
            "servable = [r for r in waiting if {QUEUES[s] for s in remaining(r.segment, r.step)} <= served]",
            "servable = list(waiting)",
        ),
        "test_10_nothing_is_admitted_that_no_living_worker_can_serve",
        "test_10_a_worker_that_serves_half_of_a_segment_is_not_enough",
    ),
    mutant(
        10,
        "no_ageing",
        Edit(STORE, "urgency = s.run.c.priority - age", "urgency = s.run.c.priority + 0 * age"),
        "test_10_age_lifts_a_run_above_younger_and_more_urgent_ones",
    ),
    mutant(
        10,
        "no_turns_between_repositories",
        Edit(STORE, "query.order_by(rank, served, s.run.c.served,", "query.order_by(rank, s.run.c.served,"),
        "test_10_urgent_first_then_the_repository_served_least_recently",
    ),
)

FAILOVER: tuple[Mutant, ...] = (
    mutant(
        11,
        "failover_outcome",
        engine(
            "claims",
            "            tx.runs.add_attempt(run, tried, to_agent=result.to_agent)\n",
            "            tx.runs.add_outcome(run, result)\n",
        ),
        "test_11_a_failover_is_claimed_and_writes_attempts_only",
    ),
    mutant(
        11,
        "short_cooldown",
        engine("failover", "max(until, least)", "until"),
        "test_11_an_account_cools_for_a_minute_at_least",
    ),
    mutant(
        11,
        "ping_pong",
        engine("failover", "if run.moves < MOVES:", "if True:"),
        "test_11_two_limited_agents_do_not_play_ping_pong",
    ),
    mutant(
        11,
        "moves_never_begin_anew",
        engine("decide", 'text, {"moves": 0}, Wait.LIMIT', "text, {}, Wait.LIMIT"),
        "test_11_after_it_parked_a_run_may_move_as_often_again",
    ),
    mutant(
        11,
        "no_probe",
        Edit(LIMITS, "1 if run.account in unproven else max(wide, 1)", "max(wide, 1)"),
        "test_11_one_probe_run_per_account_until_a_success",
    ),
    mutant(
        11,
        "never_proven",
        engine("perform", "        tx.fleet.prove(before.account)\n", "        pass\n"),
        "test_11_one_probe_run_per_account_until_a_success",
    ),
    mutant(
        11,
        "failover_takes_a_turn_slot",
        Edit(LIMITS, "case Segment.TURN:", "case Segment.TURN | Segment.FAILOVER:"),
        "test_11_a_failover_needs_no_turn_slot",
    ),
    mutant(
        11,
        "failover_outside_the_protocol",
        engine(
            "decide",
            'case Remedy.FAIL_OVER:\n            return Next("dispatch", Segment.FAILOVER, Step.FAILOVER,',
            'case Remedy.FAIL_OVER:\n            return Next("wait", Segment.FAILOVER, Step.FAILOVER, wait=Wait.QUESTION, text=',
        ),
        "test_11_a_failover_is_recovered_when_its_worker_dies",
    ),
)

WAITS: tuple[Mutant, ...] = (
    mutant(
        12,
        "wait_keeps_its_slot",
        engine(
            "admission",
            "by_state(RunState.QUEUED, RunState.RUNNING)",
            "by_state(RunState.QUEUED, RunState.RUNNING, RunState.WAITING)",
        ),
        "test_12_a_wait_holds_no_owner_and_no_slot",
    ),
    mutant(
        12,
        "wait_keeps_its_owner",
        engine("moves", '"wake_at": until, "owner": None}', '"wake_at": until}'),
        "test_12_a_wait_holds_no_owner_and_no_slot",
    ),
    mutant(
        12,
        "approval_waits_before_the_evidence",
        engine(
            "decide",
            'return Next("wait", Segment.FINISH, Step.SHIP, "before-ship approval"',
            'return Next("wait", Segment.FINISH, Step.EVIDENCE, "before-ship approval"',
        ),
        "test_12_a_wait_holds_no_owner_and_no_slot",
    ),
    mutant(
        12,
        "eta_in_the_broker",
        Edit(
            "loopy/queue/doorbell.py",
            "            ignore_result=True,\n",
            "            ignore_result=True,\n            countdown=600,\n",
        ),
        "test_12_no_message_is_ever_sent_with_an_eta",
    ),
)

MUTANTS = LIVENESS + SWEEP + GUARDS + ADMISSION + FAILOVER + WAITS
