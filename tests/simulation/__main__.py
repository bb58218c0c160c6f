"""`python -m tests.simulation [N] [--seed S] [--jobs J]`: play N seeds; one table, 1 and the seeds when an invariant breaks."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.seeds import POINTS, Told, play

SHOWN = 5  # failing seeds


def main(words: list[str]) -> int:
    """Play the seeds and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1000, help="how many seeds")
    parser.add_argument("--seed", type=int, help="replay this one, with its traceback")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--until-broken", action="store_true", help="stop at the first seed that breaks")
    asked = parser.parse_args(words)
    logging.disable(logging.CRITICAL if asked.seed is None else logging.NOTSET)
    if asked.seed is not None:
        print(play(asked.seed))
        return 0
    return _all(range(asked.first, asked.first + asked.n), asked.jobs, stop=asked.until_broken)


def _all(seeds: range, jobs: int, *, stop: bool) -> int:
    began, told, broken = time.monotonic(), list[Told](), dict[int, str]()
    for n, (seed, said) in enumerate(_played(seeds, jobs), 1):
        if isinstance(said, str):
            broken[seed] = said
            if stop:
                break
        else:
            told.append(said)
        if sys.stderr.isatty() and n % 50 == 0:
            print(f"\r{n} of {len(seeds)} seeds, {len(broken)} broken", end="", file=sys.stderr, flush=True)
    verdicts = sum((t.verdicts for t in told), Counter[str]())
    visits = sum((t.visits for t in told), Counter[str]())
    print(
        f"seeds      {len(told) + len(broken)} in {time.monotonic() - began:.0f} s, {seeds.start} to {seeds.stop - 1}"
    )
    print(f"runs       {verdicts.total()}: " + ", ".join(f"{v} {n}" for v, n in sorted(verdicts.items())))
    print(f"kills      {sum(t.kills for t in told)}")
    print(f"time       {sum(t.seconds for t in told) / 3600:.0f} virtual hours")
    for point in POINTS:
        print(f"  {point:28} {visits[point]:9} visits")
    for seed, said in list(broken.items())[:SHOWN]:
        print(f"BROKEN     seed {seed}: {said}")
    print(f"broken     {len(broken)}")
    return bool(broken) or any(not visits[p] for p in POINTS)


def _played(seeds: range, jobs: int) -> Iterator[tuple[int, Told | str]]:
    if jobs == 1:
        yield from map(attempt, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(attempt, seeds, chunksize=10)


def attempt(seed: int) -> tuple[int, Told | str]:
    """Play a seed; return what broke, in words, instead of raising."""
    logging.disable(logging.CRITICAL)
    try:
        return seed, play(seed)
    except Exception as error:  # whatever the engine lets escape is a finding
        where = traceback.extract_tb(error.__traceback__)[-1]
        return seed, f"{type(error).__name__}: {error} ({os.path.basename(where.filename)}:{where.lineno})"[:400]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
