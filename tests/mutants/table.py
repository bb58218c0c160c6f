"""All mutants in the order of the rules, then those of trust."""

from __future__ import annotations

from tests.mutants import (
    rule_16_files,
    rules_01_03,
    rules_04_06,
    rules_07_08,
    rules_09_10,
    rules_11_12,
    rules_13_14,
    rules_15_16,
    rules_17_19,
    trust_approvals,
    trust_box,
    trust_gate,
    trust_policy,
    trust_receipts,
    trust_redaction,
)

PARTS = (
    rules_01_03,
    rules_04_06,
    rules_07_08,
    rules_09_10,
    rules_11_12,
    rules_13_14,
    rules_15_16,
    rule_16_files,
    rules_17_19,
    trust_approvals,
    trust_box,
    trust_gate,
    trust_policy,
    trust_receipts,
    trust_redaction,
)
MUTANTS = tuple(mutant for part in PARTS for mutant in part.MUTANTS)

# The clauses that the protocol's model on paper names, and a few more: the simulation must notice each within its seeds.
NAMED = frozenset(
    [
        "dispatch_keeps_epoch",
        "epoch_in_segment",
        "ring_in_transaction",
        "no_token",
        "takeover_keeps_token",
        "free_keeps_token",
        "finish_keeps_token",
        "claim_any_state",
        "claim_any_epoch",
        "redelivery_cuts",
        "limit_is_outcome",
        "finish_ignores_cancel",
        "rering_bumps",
        "wall_lease",
        "uncapped_watch",
        "no_lease",
        "no_sweep",
        "no_count",
        "counter_slots",
        "answer_dispatches",
        "admits_twice",
        "failover_outcome",
        "cancel_blocks_finish",
        "cancel_orphaned",
        "cancel_unfenced",
        "approval_unbound",
        "no_intent",
        "no_look",
        "no_settle",
        "settle_asleep",
        "no_read_back",
        "refusal_keeps_intent",
        "same_ordinal",
        "head_apart",
        "poison_in_finish",
    ]
)
