"""`python -m tests.agents_real`: real CLIs through Loopy, ticket to verified receipt, then refusals; one Markdown table."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from loopy.agents.launch import missing_server
from loopy.agents.scripted.scenarios import names_for
from loopy.agents.scripted.server import ModelServer
from loopy.agents.scripted.setup import Drive
from tests.agents.support import CATALOG
from tests.agents_real import drill
from tests.agents_real.drive import Drove, drive
from tests.agents_real.install import CACHE, install
from tests.agents_real.install import rows as pinned
from tests.agents_real.journey import Arrived, path_of, travel
from tests.agents_real.record import keep
from tests.agents_real.table import Row, markdown, put

DRILLED = ("pi", "qwen", "gemini")
FLEET = tuple(pinned()[1])
OVER_ACP = 4  # of the whole set must be driven to an edit over the Agent Client Protocol, and be refused one


def main(words: Sequence[str]) -> int:
    """Install, drive, print; 1 when something did not hold or too few CLIs came to a verified receipt."""
    said = asked(words)
    began = time.monotonic()
    programs, installed = install(said.agents, latest=said.latest)
    _tell(
        f"{sum(not one.problem for one in installed)} of {len(installed)} CLIs installed in {time.monotonic() - began:.0f} s: {programs}"
    )
    rows = {one.name: Row(one) for one in installed}
    there = [one.name for one in installed if not one.problem]
    with ModelServer() as model, ThreadPoolExecutor(said.jobs) as pool:
        play = Play(model, programs, said.record)
        if not said.scenarios_only:
            for name, arrived in zip(there, pool.map(play.travel, there), strict=True):
                rows[name].arrived = arrived
        for drove in pool.map(lambda turn: play.turn(*turn), list(_turns(said, there, play))):
            rows[drove.cli].of(drove.drive)[drove.scenario] = drove
        told, faults = play.drill(there) if said.drill else ("", [])
    page = markdown(list(rows.values()), said.scenarios, said.acp, told)
    print(page)
    if said.write:
        put(said.write, page)
    return verdict(list(rows.values()), faults, said)


def _turns(said: argparse.Namespace, there: Sequence[str], play: Play) -> Iterator[tuple[str, Drive, str]]:
    """Yield what is to be played: CLI, way, scenario."""
    yield from ((name, "print", scenario) for scenario in said.scenarios for name in there)
    speak = [name for name in there if play.speaks(name)]
    yield from ((name, "acp", scenario) for scenario in said.acp for name in speak)


def asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.agents_real", description=__doc__)
    parser.add_argument("--agents", type=_names, default=list(FLEET), help="which CLIs, with commas; default: all")
    parser.add_argument("--at-least", type=int, default=1, help="fail when fewer came to a verified receipt")
    parser.add_argument("--latest", action="store_true", help="the newest versions instead of the pinned ones")
    parser.add_argument("--jobs", type=int, default=2, help="turns at a time")
    parser.add_argument("--at-least-acp", type=int, help=f"the same over ACP; default: {OVER_ACP} when all run, else 0")
    parser.add_argument("--scenarios", type=_scenarios("print"), default=list(names_for("print")))
    parser.add_argument("--acp", type=_scenarios("acp"), default=list(names_for("acp")), help='over ACP; "": none')
    parser.add_argument("--scenarios-only", action="store_true", help="no tickets")
    parser.add_argument("--no-drill", dest="drill", action="store_false", help="no failover drill")
    parser.add_argument("--record", type=Path, help="write the streams below this folder")
    parser.add_argument("--write", type=Path, help="put the table into this document too, between its marks")
    said = parser.parse_args(words)
    if said.at_least_acp is None:
        said.at_least_acp = OVER_ACP if set(said.agents) == set(FLEET) and said.acp else 0
    return said


def _scenarios(way: Drive) -> Callable[[str], list[str]]:
    def scenarios(text: str) -> list[str]:
        names = [name for name in text.replace(" ", ",").split(",") if name]
        if unknown := set(names) - set(names_for(way)):
            msg = f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names_for(way))}"
            raise argparse.ArgumentTypeError(msg)
        return names

    return scenarios


def _names(text: str) -> list[str]:
    names = [name for name in text.replace(" ", ",").split(",") if name]
    if unknown := set(names) - set(FLEET):
        msg = f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FLEET)}"
        raise argparse.ArgumentTypeError(msg)
    return names or list(FLEET)


class Play:
    """What is played on one scripted model, each in a scratch folder of its own."""

    def __init__(self, model: ModelServer, programs: Path, record: Path | None) -> None:
        self._model, self._programs, self._record = model, programs, record
        self._path = path_of(programs)

    def travel(self, cli: str) -> Arrived:
        """Take a ticket to its receipt."""
        arrived = _in_scratch(lambda folder: travel(cli, self._model.url("ok", f"{cli}-run"), self._path, folder))
        _tell(f"{cli:15} ticket → receipt  {arrived.verdict} {arrived.seconds:.1f} s {arrived.problem}")
        return arrived

    def speaks(self, cli: str) -> bool:
        """Whether it can be driven over the Agent Client Protocol: an adapter of its own is not installed here."""
        return CATALOG[cli].acp is not None and not missing_server(CATALOG[cli], self._path)

    def turn(self, cli: str, way: Drive, scenario: str) -> Drove:
        """Play one scenario; the recording is made before the scratch folder goes."""

        def played(folder: Path) -> Drove:
            drove = drive(cli, way, scenario, self._model, self._path, folder)
            if self._record is not None and way == "print":
                keep(self._record, drove, self._programs)
            return drove

        drove = _in_scratch(played)
        _tell(f"{cli:15} {way:5} {scenario:10} {drove.word} {drove.seconds:.1f} s, {drove.asked} calls {_note(drove)}")
        return drove

    def drill(self, there: Sequence[str]) -> tuple[str, list[str]]:
        """Rehearse a failover with three of the CLIs that are there."""
        chosen = tuple(name for name in DRILLED if name in there)
        if len(chosen) < 3:
            return f"skipped: it wants {', '.join(DRILLED)}", []
        return _in_scratch(lambda f: drill.timed((chosen[0], chosen[1], chosen[2]), self._model, self._path, f))


T = TypeVar("T")


def _in_scratch(play: Callable[[Path], T]) -> T:
    below = CACHE / "scratch"  # not in /tmp: Gemini reads no settings below a folder that others may write to
    below.mkdir(exist_ok=True, mode=0o700)
    folder = Path(tempfile.mkdtemp(prefix="play-", dir=below)).resolve()
    try:
        return play(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _note(drove: Drove) -> str:
    detail = "" if drove.word == "turned" else f"| {getattr(drove.came_to, 'detail', '')[:160]}"
    return detail + "".join(f"  ✗ {fault}" for fault in drove.faults)


def _tell(text: str) -> None:
    print(text.rstrip(), file=sys.stderr, flush=True)


def verdict(rows: Sequence[Row], faults: list[str], said: argparse.Namespace) -> int:
    """Print what did not hold; return the exit code."""
    faults = [*faults, *(f"{row.installed.name}: {fault}" for row in rows for fault in row.faults)]
    verified = sum(row.verified for row in rows)
    if verified < said.at_least and any(row.arrived for row in rows):
        faults.append(f"{verified} CLIs came to a verified receipt, at least {said.at_least} must")
    elif not any(row.arrived for row in rows) and said.at_least > 0 and not any(row.drove or row.spoke for row in rows):
        faults.append("no CLI could be installed")
    if (spoke := sum(row.acp_good for row in rows)) < said.at_least_acp:
        faults.append(f"{spoke} CLIs edited over ACP and were refused by the policy, at least {said.at_least_acp} must")
    for fault in faults:
        print(f"✗ {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
