"""All mutants in the order of the rules."""

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
)
MUTANTS = tuple(mutant for part in PARTS for mutant in part.MUTANTS)
