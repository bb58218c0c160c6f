"""`python -m tests.mutants [--simulate | --harness] [--chaos] [--named] [NAME …]`: print which test, or which seed, kills which mutant; 1 when one survives that must not."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.harness import Death, crash, crashed, simulate, simulated
from tests.mutants.lab import Lab, laboratory
from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS, NAMED


def main(words: list[str]) -> int:
    """Try each mutant, or those whose name is given."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--simulate", action="store_true", help="by the simulation alone, not by the rules' tests")
    parser.add_argument("--harness", action="store_true", help="by both, one line for each mutant")
    parser.add_argument("--chaos", action="store_true", help="by the crash harness, too; told, not demanded of any")
    parser.add_argument("--named", action="store_true", help="only those that the simulation must kill")
    parser.add_argument("names", nargs="*", metavar="NAME", help="as printed; all without one")
    asked = parser.parse_args(words)
    wanted = {*asked.names, *(NAMED if asked.named else ())}
    if unknown := wanted - {m.name for m in MUTANTS} - {str(m) for m in MUTANTS}:
        parser.error(f"no mutant is called {', '.join(sorted(unknown))}")
    chosen = [m for m in MUTANTS if not wanted or {m.name, str(m)} & wanted]
    with tempfile.TemporaryDirectory(prefix="loopy-mutants-") as folder, laboratory(Path(folder)) as lab:
        if asked.chaos and (sound := crash(lab, None)).seed is not None:
            parser.error(f"the crash harness breaks without any mutant: {_told(sound)}")
        ask = Asked(rules=not asked.simulate, simulation=asked.simulate or asked.harness, chaos=asked.chaos)
        alive = [m.name for m in chosen if not _dies(lab, m, ask)]
    print(f"{len(alive)} of {len(chosen)} survive{': ' if alive else ''}{', '.join(alive)}")
    return bool(alive)


@dataclass(frozen=True)
class Asked:
    """By which harnesses."""

    rules: bool
    simulation: bool
    chaos: bool


def _dies(lab: Lab, mutant: Mutant, by: Asked) -> bool:
    """Print a line on the mutant; return whether each harness kills it that was asked and must."""
    dies, said = True, []
    if by.rules:
        green, broken = _rules(lab, mutant)
        dies = not green and not broken
        tests = ", ".join(k.partition("::")[2] for k in mutant.killers)
        said.append(
            f"rules: SURVIVES {sorted(green)}{broken}"
            if not dies
            else f"rules: {len(mutant.killers) if by.simulation or by.chaos else tests}"
        )
    if by.simulation:
        death = simulate(lab, mutant) if simulated(mutant) else None
        dies = dies and not (mutant.name in NAMED and (death is None or death.seed is None))
        said.append(f"simulation: {_told(death)}"[: 80 if by.chaos else None])
    if by.chaos:
        said.append(f"chaos: {_told(crash(lab, mutant) if crashed(mutant) else None)}")
    print(f"{mutant.rule:3}  {mutant.name:38} {'  '.join(said)}"[: None if by.rules and not dies else 230], flush=True)
    return dies


def _rules(lab: Lab, mutant: Mutant) -> tuple[frozenset[str], str]:
    with lab.living(mutant):
        verdict = lab.run(mutant.killers)
    return frozenset(mutant.killers) - verdict.red, verdict.said


def _told(death: Death | None) -> str:
    if death is None:
        return "not in it"
    return "SURVIVES" if death.seed is None else f"seed {death.seed}: {death.said}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
