"""Mutants of rules 17 to 19."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, engine, mutant

LIMITS = "loopy/domain/limits.py"
RUNS = "loopy/store/runs.py"

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
        engine("spending", "of_run > policy.budget_micros:", "of_run < 0:"),
        "test_17_a_turn_reserves_its_share_of_the_budget_before_it_starts",
    ),
    mutant(
        17,
        "no_budget_of_a_day",
        engine("spending", "spent >= budget:", "spent < 0:"),
        "test_17_the_budget_of_a_day_is_a_limit_until_midnight",
        "test_17_the_day_of_the_whole_host_has_a_budget_too",
    ),
    mutant(
        17,
        "no_budget_of_a_ticket",
        engine("spending", "of_ticket - share >= policy", "of_ticket < -1 and policy"),
        "test_17_a_ticket_has_one_budget_for_all_its_runs",
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
        engine("takeover", "alone = len(victims) == 1", "alone = True"),
        "test_18_those_who_were_only_in_company_are_not_struck",
        "test_18_the_only_suspect_among_the_dead_is_struck_and_the_others_are_not",
    ),
    mutant(
        18,
        "suspects_together",
        Edit(LIMITS, " or (run.suspect and suspected)", ""),
        "test_18_suspects_are_readmitted_one_at_a_time",
    ),
    mutant(
        18,
        "ended_for_a_death_in_company",
        engine("takeover", "likely = suspects == [run] and not run.accused", "likely = suspects == [run]"),
        "test_18_nobody_is_ended_for_a_death_in_company",
    ),
    mutant(
        18,
        "accused_in_company",
        Edit(LIMITS, "            return chosen if chosen or live else [run]\n", "            pass\n"),
        "test_18_who_is_one_death_from_its_end_runs_alone",
    ),
    mutant(
        18,
        "company_for_the_accused",
        Edit(LIMITS, "    if any(run.accused for run in live):\n        return []\n", ""),
        "test_18_who_is_one_death_from_its_end_runs_alone",
    ),
    mutant(
        18,
        "bare_end_forgets_the_push",
        (
            engine("ending", '"head": done.commit if done else "",', '"head": str(move.changes.get("head", "")),'),
            engine("shipping", "return _shipped(done) if done else Shipped()", "return Shipped()"),
        ),
        "test_18_a_bare_end_does_not_lose_a_push_that_was_read_back",
        "test_18_a_run_that_a_person_gives_up_still_states_the_push_that_was_done",
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

MUTANTS = DEPENDENCIES + POISON + VERSIONS
