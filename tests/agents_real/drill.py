"""The failover drill: three real CLIs in one chain, the first limited in mid-run, the second logged out, the third finishes."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from loopy.agents.scripted.server import ModelServer
from loopy.agents.scripted.setup import setup_for
from tests.agents.support import CATALOG
from tests.agents_real.journey import Arrived, House, arrive, receipt

ROLES = ("usage2", "auth", "shell")  # the third only mends app.py: NOTES.md must come from the first
WHY = ("quota", "auth")


def rehearse(clis: tuple[str, str, str], model: ModelServer, path: str, folder: Path) -> tuple[Arrived, list[str]]:
    """Return how the run went, and everything about it that is not as it must be."""
    house = House(folder, path)
    agents = []
    for place, (cli, scenario) in enumerate(zip(clis, ROLES, strict=True)):
        setup = setup_for(CATALOG[cli], model.url(scenario, f"drill-{cli}"))
        rest = tuple(f"a-{name}" for name in clis[place + 1 :])
        agents.append((setup.made(f"a-{cli}", cli, idle_s=45, wall_s=100, fallback=rest), setup))
    house.settle(agents)
    arrived = arrive(house, f"a-{clis[0]}")
    if arrived.problem:
        return arrived, [arrived.problem]
    return arrived, [*_receipt(house, clis), *_work(house, clis)]


def _receipt(house: House, clis: tuple[str, ...]) -> list[str]:
    """What the receipt and the evidence do not say of the two failovers."""
    moves = [(row["from"], row["to"], row["why"]) for row in receipt(house).get("failovers", ())]
    names = [f"a-{cli}" for cli in clis]
    faults = []
    if [move[:2] for move in moves] != [(names[0], names[1]), (names[1], names[2])]:
        faults.append(f"the receipt's failovers are {moves}")
    faults += [
        f"the receipt does not say {why}: {move}" for why, move in zip(WHY, moves, strict=False) if why not in move[2]
    ]
    page = house.loopy("evidence", "LP-1.1").stdout
    faults += [f"the evidence does not name {word}" for word in (*names, *WHY) if word not in page]
    return faults


def _work(house: House, clis: tuple[str, ...]) -> list[str]:
    """What of the first one's work did not reach the third, or the commit."""
    prompts = sorted((house.folder / "home" / "runs" / "LP-1.1").glob("prompt-*.md"), key=lambda p: p.stat().st_mtime)
    last = prompts[-1].read_text()
    faults = []
    if len(prompts) != len(clis):
        faults.append(f"{len(prompts)} prompts, not {len(clis)}")
    if "Another agent began this" not in last or "+hello from the scripted model" not in last:
        faults.append("the handoff note does not hold the work so far")
    branch = house.git("for-each-ref", "--format=%(refname:short)", "refs/heads/loopy/")
    if "hello" not in house.git("show", f"{branch.split()[0]}:NOTES.md") if branch else True:
        faults.append("the first one's NOTES.md is not in the commit")
    return faults


def timed(clis: tuple[str, str, str], model: ModelServer, path: str, folder: Path) -> tuple[str, list[str]]:
    """Return one line about the drill, and its faults."""
    began = time.monotonic()
    try:
        arrived, faults = rehearse(clis, model, path, folder)
    except (OSError, subprocess.SubprocessError, KeyError, IndexError) as error:
        return f"{' → '.join(clis)}: {type(error).__name__}: {error}", [str(error)]
    faults += [f"still alive: {left}" for left in arrived.alive]
    word = "verified receipt" if not faults else "FAILED"
    return (
        f"{' (limited) → '.join(clis[:2])} (logged out) → {clis[2]}: {word} in {time.monotonic() - began:.0f} s",
        faults,
    )
