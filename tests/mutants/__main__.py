"""`python -m tests.mutants [--simulate] [NAME …]`: print which test, or which seed, kills which mutant; 1 when one survives."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.harness import simulate, simulated
from tests.mutants.lab import laboratory
from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS


def main(words: list[str]) -> int:
    """Try each mutant, or those whose name is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "--simulate", action="store_true", help="by the simulation's invariants, not by the rules' tests"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="as printed; all without one")
    asked = parser.parse_args(words)
    wanted, alive = asked.names, 0
    if unknown := set(wanted) - {m.name for m in MUTANTS} - {str(m) for m in MUTANTS}:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    if asked.simulate:
        return _simulate([m for m in MUTANTS if simulated(m) and (not wanted or {m.name, str(m)} & set(wanted))])
    with tempfile.TemporaryDirectory(prefix="loopy-mutants-") as folder, laboratory(Path(folder)) as lab:
        for mutant in MUTANTS:
            if wanted and mutant.name not in wanted and str(mutant) not in wanted:
                continue
            with lab.living(mutant):
                verdict = lab.run(mutant.killers)
            survives = verdict.said != "" or verdict.red != frozenset(mutant.killers)
            alive += survives
            tests = ", ".join(k.partition("::")[2] for k in mutant.killers)
            print(f"{mutant.rule:3}  {mutant.name:38} {'SURVIVES ' if survives else ''}{tests}", flush=True)
            if survives:
                print(f"     green: {sorted(verdict.green)}\n{verdict.said}", flush=True)
    print(f"{alive} survive")
    return bool(alive)


def _simulate(mutants: Sequence[Mutant]) -> int:
    alive = 0
    with tempfile.TemporaryDirectory(prefix="loopy-mutants-") as folder, laboratory(Path(folder)) as lab:
        for mutant in mutants:
            death = simulate(lab, mutant)
            alive += death.seed is None
            how = "SURVIVES" if death.seed is None else f"seed {death.seed}: {death.said}"
            print(f"{mutant.rule:3}  {mutant.name:38} {how}"[:200], flush=True)
    print(f"{len(mutants) - alive} of {len(mutants)} die")
    return 0  # most clauses cannot be seen from outside: the rules' tests hold those


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
