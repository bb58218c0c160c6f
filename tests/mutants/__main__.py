"""`python -m tests.mutants [NAME …]`: print which test kills which mutant; 1 when one survives."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.mutants.lab import laboratory
from tests.mutants.table import MUTANTS


def main(wanted: list[str]) -> int:
    """Try each mutant, or those whose name is given."""
    alive = 0
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


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
