"""Mutants of rules 1 to 3."""

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
            "            rings = [] if nothing_freed else self.desk.admission.admit(tx)\n",
            "            rings = [] if nothing_freed else self.desk.admission.admit(tx)\n            ring_all(self.desk.doorbell, rings)\n",
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
        Edit(STORE, "if (r.id, r.token) in held]", "if r.id in {run for run, _ in held}]"),
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

MUTANTS = DISPATCH + CLAIM + CHAIN
