"""Mutants of rules 11 and 12."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

LIMITS, STORE = "loopy/domain/limits.py", "loopy/store/runs.py"

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
    mutant(
        11,
        "asks_a_cooling_account",
        engine("failover", "if known is None or known.until <= tx.now:", "if True:"),
        "test_11_a_run_that_waited_while_its_account_met_a_limit_moves_on_without_a_try",
    ),
    mutant(
        11,
        "passing_by_lengthens_it",
        engine("failover", "known.until - timedelta(seconds=RESET_MARGIN_S)", "known.until"),
        "test_11_a_run_that_waited_while_its_account_met_a_limit_moves_on_without_a_try",
    ),
)

JUDGES: tuple[Mutant, ...] = (
    mutant(
        11,
        "objection_is_ignored",
        Edit("loopy/domain/check.py", " and not self.objections", ""),
        "engine/test_reviews.py::test_an_objection_is_the_next_turns_feedback",
    ),
    mutant(
        11,
        "judges_itself",
        engine("reviewing", ' and a.name.partition("@")[0] != author', ""),
        "engine/test_reviews.py::test_nobody_judges_its_own_work_not_even_on_another_account",
    ),
    mutant(
        11,
        "unreviewed_passes",
        engine("reviewing", 'if policy.review == "always" and', 'if policy.review == "ever" and'),
        "engine/test_reviews.py::test_without_an_answer_a_change_that_must_be_reviewed_waits_and_then_asks_a_person",
    ),
    mutant(
        11,
        "limited_judge_does_not_cool",
        engine("reviewing", "                cool(tx, run, said)", "                pass"),
        "engine/test_reviews.py::test_a_limited_reviewer_cools_and_the_next_one_is_asked",
    ),
)

WAITS: tuple[Mutant, ...] = (
    mutant(
        12,
        "wait_keeps_its_slot",
        Edit(STORE, 'for state in ("queued", "running"))', 'for state in ("queued", "running", "waiting"))'),
        "test_12_a_wait_holds_no_owner_and_no_slot",
    ),
    mutant(
        11,
        "mended_and_not_asked",
        engine("failover", "            tx.fleet.thaw(known.account)\n", "            pass\n"),
        "test_11_an_agent_that_a_person_has_mended_is_tried_again_at_once[auth]",
    ),
    mutant(
        11,
        "a_word_ends_a_limit",
        engine("failover", 'known.why.partition(":")[0] in BY_A_PERSON', "True"),
        "test_11_a_persons_word_ends_no_limit_that_has_a_reset",
    ),
    mutant(
        12,
        "set_back_unseen",
        engine("sweep", "        if self._set_back():\n", "        if False:\n"),
        "test_12_a_clock_that_is_set_back_makes_no_wait_longer[quota]",
        "test_12_a_clock_that_is_set_back_makes_no_wait_longer[disk_full]",
    ),
    mutant(
        12,
        "set_back_by_a_hair",
        engine("sweep", "SET_BACK_S = 60.0", "SET_BACK_S = 0.0"),
        "test_12_a_clock_that_is_kept_right_wakes_nobody",
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
            "ignore_result=True, retry=False",
            "ignore_result=True, countdown=600, retry=False",
        ),
        "test_12_no_message_is_ever_sent_with_an_eta",
    ),
)

MUTANTS = FAILOVER + JUDGES + WAITS
