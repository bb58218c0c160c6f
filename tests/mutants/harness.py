"""Mutants against the simulation and the crash harness: which of them their invariants notice without a test that was written for them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.seeds import memory
from tests.mutants.lab import Lab
from tests.mutants.mutant import ENGINE, Mutant

SEEDS, TIMEOUT_S = 3000, 300
DEATHS, SECONDS, PATIENCE_S = 120, 60, 180  # of the crash harness; a seed that was begun is played to its end
STALLING = "0.5"  # of its seeds: most clauses are for workers that are late, not dead
SIMULATED = (ENGINE, "loopy/domain/")
CRASHED = (*SIMULATED, "loopy/store/", "loopy/process/alive.py", "loopy/process/lock.py")


@dataclass(frozen=True)
class Death:
    """How a mutant ended in a harness: at which seed, and of what; `seed` is None for a survivor, -1 where none could be played."""

    seed: int | None
    said: str = ""


def simulated(mutant: Mutant) -> bool:
    """Whether all of the mutant lies in what the simulation runs: the engine and the domain over the in-memory graph."""
    return all(edit.path.startswith(SIMULATED) for edit in mutant.edits)


def crashed(mutant: Mutant) -> bool:
    """Whether all of the mutant lies in what the crash harness runs: the engine, the domain, the store, kernel locks."""
    return all(edit.path.startswith(CRASHED) for edit in mutant.edits)


def simulate(lab: Lab, mutant: Mutant, seeds: int = SEEDS) -> Death:
    """Play seeds on the copy with the mutant in it, until one breaks."""
    with lab.living(mutant):
        return _played(lab, ["tests.simulation", str(seeds), "--jobs", "1", "--until-broken"], TIMEOUT_S)


def crash(lab: Lab, mutant: Mutant | None, deaths: int = DEATHS) -> Death:
    """Kill worker processes of the copy with the mutant in it, always by the same seeds, until something breaks.

    Who dies where is the seed's, who is faster is not: what dies of a race may live another time. Without a mutant: the
    copy as it is.
    """
    with tempfile.TemporaryDirectory(prefix="loopy-mutants-", dir=memory(), ignore_cleanup_errors=True) as folder:
        words = [
            "tests.chaos",
            str(deaths),
            "--until-broken",
            "--stalling",
            STALLING,
            "--seconds",
            str(SECONDS),
            "--folder",
            folder,
        ]
        if mutant is None:
            return _played(lab, words, PATIENCE_S)
        with lab.living(mutant):
            return _played(lab, words, PATIENCE_S)


def _played(lab: Lab, words: Sequence[str], timeout_s: float) -> Death:
    """Run a harness; what it started ends with it."""
    with subprocess.Popen(
        [sys.executable, "-P", "-m", *words],
        cwd=lab.folder,
        env=lab.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as player:
        try:
            out, err = player.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(player.pid, signal.SIGKILL)
            return Death(-1, "it goes on for ever")
    broken = re.search(r"^BROKEN +seed (\d+): (.*)$", out, re.MULTILINE)
    if broken:
        return Death(int(broken[1]), _cause(broken[2], err))
    return Death(None) if player.returncode == 0 else Death(-1, _cause("it cannot even begin", err))


def _cause(said: str, err: str) -> str:
    """Return what was said; of a worker that failed, the last line of its traceback."""
    raised = re.findall(r"^(?:\w+\.)*(\w+(?:Error|Exception)\b.*)$", err, re.MULTILINE)
    return f"{said.removesuffix('; its traceback is above')}: {raised[-1]}" if raised else said
