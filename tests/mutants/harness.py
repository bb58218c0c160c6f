"""Mutants against the simulation: which of them the invariants notice without a test that was written for them."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.lab import Lab
from tests.mutants.mutant import ENGINE, Mutant

SEEDS = 400
TIMEOUT_S = 180


@dataclass(frozen=True)
class Death:
    """How a mutant ended in the simulation: at which seed, and of which invariant; `seed` is None for a survivor."""

    seed: int | None
    said: str = ""


def simulated(mutant: Mutant) -> bool:
    """Whether all of the mutant lies in what the simulation runs: the engine and the domain over the in-memory graph."""
    return all(edit.path.startswith((ENGINE, "loopy/domain/")) for edit in mutant.edits)


def simulate(lab: Lab, mutant: Mutant, seeds: int = SEEDS) -> Death:
    """Play seeds on the copy with the mutant in it, until one breaks."""
    argv = [sys.executable, "-P", "-m", "tests.simulation", str(seeds), "--jobs", "1", "--until-broken"]
    with lab.living(mutant):
        try:
            done = subprocess.run(
                argv, cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return Death(-1, "it goes on for ever")
    broken = re.search(r"^BROKEN +seed (\d+): (.*)$", done.stdout, re.MULTILINE)
    if broken:
        return Death(int(broken[1]), broken[2])
    return (
        Death(None) if done.returncode == 0 else Death(-1, Path(mutant.edits[0].path).name + ": " + done.stderr[-200:])
    )
