"""Mutants of rules 7 and 8."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

STORE = "loopy/store/runs.py"

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
        "new_claim_keeps_the_old",
        engine("pulse", "row is None or row.token != leash.token", "row is None"),
        "test_7_a_worker_that_was_robbed_and_claims_the_run_again_keeps_its_new_claim_and_loses_the_old",
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
            "        rings, died = self._free(workers, running)\n",
            "        return 0\n        rings, died = self._free(workers, running)\n",
        ),
        "test_8_the_sweep_wakes_what_is_due_and_admits_it",
        "test_8_the_sweep_sends_an_unowned_cancelled_run_to_its_end",
        "test_8_the_sweep_publishes_a_receipt_that_was_not",
    ),
    mutant(
        8,
        "death_waits_for_the_next_look",
        engine("sweep", " and not self._sweep.bereaved():", ":"),
        "test_8_a_death_is_seen_at_once_even_when_nothing_else_happens",
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
            'NOT_CANCELLED = or_(s.run.c.cancel.is_(False), s.run.c.segment == "finish")',
            "NOT_CANCELLED = s.run.c.cancel.is_(False)",
        ),
        "test_8_the_sweep_wakes_a_cancelled_run_that_is_still_shipping",
    ),
    mutant(
        8,
        "receipt_forgotten",
        engine("sweep", "            publish(self.desk, run)\n", "            pass\n"),
        "test_8_the_sweep_publishes_a_receipt_that_was_not",
    ),
    mutant(
        8,
        "stale_row_moved",
        engine("sweep", "if now is not None and now.version == run.version:", "if now is not None:"),
        "test_8_a_row_that_moved_between_the_look_and_the_act_is_left_alone",
    ),
)

MUTANTS = LIVENESS + SWEEP
