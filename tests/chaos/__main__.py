"""`python -m tests.chaos [N] [--seed S] [--database postgres]`: kill N worker processes, stop some; one table, and 1 with the seeds when anything broke."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from tests.chaos.database import DATABASES, Ground, grounds
from tests.chaos.seeds import STALLING, Told, play, warm
from tests.simulation.seeds import POINTS

BATCH = 16  # seeds between two looks at the number of deaths


def main(words: list[str]) -> int:
    """Play seeds until N deaths have been died, and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1000, help="how many deaths")
    parser.add_argument("--seed", type=int, help="replay this one (who dies where is the seed's, who is faster is not)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="seeds at a time")
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="Postgres is started here, and ended")
    parser.add_argument("--folder", type=Path, help="where the seeds' folders are made; in memory by default")
    parser.add_argument("--until-broken", action="store_true", help="one seed at a time, to the first that breaks")
    parser.add_argument("--stalling", type=float, default=STALLING, help="the share of seeds in which workers stall")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further seed after so many")
    asked = parser.parse_args(words)
    with grounds(asked.database, asked.folder) as ground:
        if asked.seed is not None:
            print(play(asked.seed, ground, stalling=asked.stalling))
            return 0
        logging.disable(logging.CRITICAL)
        warm(ground)
        played = (
            _in_turn(asked.first, ground, asked.stalling)
            if asked.until_broken
            else _played(asked.first, asked.jobs, ground, asked.stalling)
        )
        return _until(asked.n, 0 if asked.until_broken else BATCH, asked.seconds, played)


def _until(deaths_wanted: int, most_broken: int, seconds: float, played: Iterator[tuple[int, Told | str]]) -> int:
    began, told, broken = time.monotonic(), list[Told](), dict[int, str]()
    for seed, said in played:
        if isinstance(said, str):
            broken[seed] = said
        else:
            told.append(said)
        died = sum(t.deaths.total() for t in told)
        if sys.stderr.isatty():
            print(f"\r{died} deaths, {len(broken)} broken", end="", file=sys.stderr, flush=True)
        if died >= deaths_wanted or len(broken) > most_broken or time.monotonic() - began > seconds:
            break
    return _print(told, broken, time.monotonic() - began)


def _in_turn(first: int, ground: Ground, stalling: float) -> Iterator[tuple[int, Told | str]]:
    for seed in count(first):
        yield attempt(seed, ground, stalling)


def _played(first: int, jobs: int, ground: Ground, stalling: float) -> Iterator[tuple[int, Told | str]]:
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        while True:
            yield from pool.map(
                partial(_mortal, ground=ground, stalling=stalling), range(first, first + BATCH), chunksize=1
            )
            first += BATCH


def _mortal(seed: int, ground: Ground, stalling: float) -> tuple[int, Told | str]:
    """Play a seed in a process of the pool: one that is ended in its midst raises, so that no stopped worker stays behind.

    Between two seeds it must die of the signal: a handler would not be asked while it waits for the next one.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return attempt(seed, ground, stalling)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def attempt(seed: int, ground: Ground, stalling: float = STALLING) -> tuple[int, Told | str]:
    """Play a seed; return what broke, in words, instead of raising."""
    try:
        return seed, play(seed, ground, stalling=stalling)
    except Exception as error:  # whatever the engine let escape is a finding
        return seed, f"{type(error).__name__}: {error}"[:600]


def _print(told: list[Told], broken: dict[int, str], took_s: float) -> int:
    verdicts = sum((t.verdicts for t in told), Counter[str]())
    deaths = sum((t.deaths for t in told), Counter[str]())
    stalls = sum((t.stalls for t in told), Counter[str]())
    print(f"seeds      {len(told) + len(broken)} in {took_s:.0f} s")
    print(f"runs       {verdicts.total()}: " + ", ".join(f"{v} {n}" for v, n in sorted(verdicts.items())))
    for point in POINTS:
        print(f"  {point:28} {deaths[point]:7} deaths {stalls[point]:6} stalls")
    print(f"deaths     {deaths.total()}")
    print(f"stalls     {stalls.total()}, whose runs were taken over meanwhile")
    for seed, said in sorted(broken.items()):
        print(f"BROKEN     seed {seed}: {said}")
    print(f"broken     {len(broken)}")
    return bool(broken)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
