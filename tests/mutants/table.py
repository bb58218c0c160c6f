"""All mutants in the order of the rules."""

from __future__ import annotations

from tests.mutants import rules_01_06, rules_07_12, rules_13_19

MUTANTS = rules_01_06.MUTANTS + rules_07_12.MUTANTS + rules_13_19.MUTANTS
