"""Mutants of rules 9 and 10."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

STORE = "loopy/store/runs.py"
LIMITS = "loopy/domain/limits.py"
TAKEOVER = "loopy/process/groups.py"
RUNNER = "loopy/process/runner.py"
GUARD = "loopy/process/guard.py"

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
        (
            Edit(LIMITS, "if used[key] >= limit}", "if False}"),
            Edit(LIMITS, "limits.turns - held[Segment.TURN]", "limits.turns"),
        ),
        "test_10_slots_are_counted_from_live_rows",
        "test_10_host_agent_account_repository_and_mission_each_have_a_limit[limits1-9-facts1-2]",
    ),
    mutant(
        10,
        "admits_twice",
        Edit(LIMITS, "        used.update(wanted.keys())\n", ""),
        "test_10_host_agent_account_repository_and_mission_each_have_a_limit[limits1-9-facts1-2]",
    ),
    mutant(
        10,
        "queued_not_counted",
        Edit(STORE, 'for state in ("queued", "running"))', 'for state in ("running",))'),
        "test_10_slots_are_counted_from_live_rows",
    ),
    mutant(
        10,
        "counter_slots",  # kept by the workers, given back at a finish: a cancel of a queued run leaks one
        (
            engine("admission", "live, served = tx.runs.live(), ", "live, served = list(TAKEN.values()), "),
            engine(
                "admission",
                "        return [_dispatch(",
                "        TAKEN.update({r.id: r for r in chosen})\n        return [_dispatch(",
            ),
            engine(
                "admission",
                "@dataclass(frozen=True, slots=True)\nclass Admission",
                "TAKEN: dict[str, object] = {}\n\n\n@dataclass(frozen=True, slots=True)\nclass Admission",
            ),
            engine(
                "perform",
                "            rings = [] if nothing_freed else self.desk.admission.admit(tx)\n",
                "            from loopy.engine.admission import TAKEN\n\n"
                "            if moved.state is not RunState.QUEUED:\n                TAKEN.pop(moved.id, None)\n"
                "            rings = [] if nothing_freed else self.desk.admission.admit(tx)\n",
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
        engine(
            "perform",
            "            rings = [] if nothing_freed else self.desk.admission.admit(tx)\n",
            "            rings = []\n",
        ),
        "test_10_a_freed_slot_goes_to_the_next_in_the_same_transaction",
    ),
    mutant(
        10,
        "serves_nobody",
        engine(
            "admission",
            "servable = (c for c in waiting if {QUEUES[s] for s in remaining(c.segment, c.step)} <= served)",
            "servable = iter(waiting)",
        ),
        "test_10_nothing_is_admitted_that_no_living_worker_can_serve",
        "test_10_a_worker_that_serves_half_of_a_segment_is_not_enough",
    ),
    mutant(
        10,
        "crowd_hides_the_others",
        Edit(
            "loopy/store/rows.py",
            "run.segment, run.step, run.agent, run.account,",
            "run.segment, run.step,",
        ),
        "test_10_a_crowd_before_a_full_slot_hides_nobody_behind_it",
    ),
    mutant(
        10,
        "no_ageing",
        Edit(LIMITS, "waited = (now - run.ready_at).total_seconds() if run.ready_at else 0.0", "waited = 0.0"),
        "test_10_age_lifts_a_run_above_younger_and_more_urgent_ones",
    ),
    mutant(
        10,
        "passed_by_turns",
        Edit(LIMITS, "full and not keeping and is_aged(run, now)", "False"),
        "test_10_a_run_that_wants_two_slots_is_not_passed_by_turns_for_ever",
    ),
    mutant(
        10,
        "all_keep",
        Edit(LIMITS, "full and not keeping and is_aged(run, now)", "full and not keeping"),
        "test_10_a_run_that_wants_two_slots_is_not_passed_by_turns_for_ever",
    ),
    mutant(
        10,
        "no_turns_between_repositories",
        Edit(
            STORE,
            "return urgency(waiting, self._now), served, waiting",
            "return urgency(waiting, self._now), 0, waiting",
        ),
        "test_10_urgent_first_then_the_repository_served_least_recently",
    ),
)

MUTANTS = GUARDS + ADMISSION
