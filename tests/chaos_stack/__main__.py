"""`python -m tests.chaos_stack [N] [--broker B] [--database D]`: N faults in the real stack; one table, and 1 with the seeds when anything broke."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from pathlib import Path

from tests.chaos_stack.ground import BROKERS, DATABASES, Ground
from tests.chaos_stack.nemesis import Fault, weights_on
from tests.chaos_stack.scenery import MEMORY, make_template
from tests.chaos_stack.seeds import Told, play

BROKEN_LIMIT = 8  # seeds; more of the same would tell nothing new
Failed = tuple[int, Ground, str]  # seed, what it stood on, what rose
Attempt = Callable[[tuple[int, Ground]], Told | Failed]


def main(words: Sequence[str]) -> int:
    """Play seeds until N faults were done, and print what came of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos_stack", description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=30, help="how many faults")
    parser.add_argument("--seed", type=int, help="replay this one (whom it harms is the seed's, who is faster is not)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--broker", choices=BROKERS, help="default: embedded and Redis by turns")
    parser.add_argument("--database", choices=DATABASES, default="sqlite", help="Postgres is started for each seed")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at a time")
    parser.add_argument("--keep", action="store_true", help="keep every seed's home")
    asked = parser.parse_args(words)
    on = [Ground(b, asked.database) for b in ((asked.broker,) if asked.broker else BROKERS[:2])]
    if not (grounds := [g for g in on if g.installed]):
        parser.error(f"the servers for {', '.join(map(str, on))} are not installed")
    logging.disable(logging.CRITICAL)
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="loopy-stack-template-", dir=place) as folder:
        template = make_template(Path(folder))
        seeds = count(asked.first) if asked.seed is None else (asked.seed,)
        act = partial(attempt, template=template, keep=asked.keep)
        return _all(asked.n, act, _dealt(seeds, grounds), asked.jobs)


def _dealt(seeds: Iterable[int], grounds: Sequence[Ground]) -> Iterator[tuple[int, Ground]]:
    return ((seed, grounds[seed % len(grounds)]) for seed in seeds)


def attempt(asked: tuple[int, Ground], template: Path, *, keep: bool) -> Told | Failed:
    """Play a seed; what rose is told, not raised."""
    try:
        return play(asked[0], template, asked[1], keep=keep)
    except Exception as error:  # whatever the home let escape is a finding
        said = " ".join([f"{type(error).__name__}: {error}"[:600], *getattr(error, "__notes__", ())])
        return (*asked, said)


def _ready() -> None:
    """End by an exception when the pool is told to, so that every home is taken down."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def _all(wanted: int, act: Attempt, seeds: Iterator[tuple[int, Ground]], jobs: int) -> int:
    began, load = time.monotonic(), os.getloadavg()[0]
    told, failed = list[Told](), list[Failed]()
    with multiprocessing.get_context("fork").Pool(jobs, initializer=_ready, maxtasksperchild=16) as pool:
        while batch := list(islice(seeds, jobs)):
            for one in pool.map(act, batch, chunksize=1):
                if isinstance(one, Told):
                    told.append(one)
                else:
                    failed.append(one)
            done, broken = sum(t.faults.total() for t in told), sum(bool(t.found.all) for t in told) + len(failed)
            print(f"{len(told)} seeds, {done} faults, {broken} broken", file=sys.stderr, flush=True)
            if done >= wanted or broken >= BROKEN_LIMIT:
                break
    return _print(told, failed, time.monotonic() - began, load)


def _print(told: Sequence[Told], failed: Sequence[Failed], took_s: float, load: float) -> int:
    faults = sum((t.faults for t in told), Counter[Fault]())
    verdicts = sum((t.verdicts for t in told), Counter[str]())
    grounds = Counter(str(t.on) for t in told)
    moments = sum((t.moments for t in told), Counter[str]())
    quiet = sorted(t.quiet_s for t in told) or [0.0]
    print(f"seeds      {len(told) + len(failed)}: " + ", ".join(f"{on} {n}" for on, n in sorted(grounds.items())))
    print(f"runs       {verdicts.total()}: " + ", ".join(f"{v} {n}" for v, n in sorted(verdicts.items())))
    possible = {fault for t in told for fault in weights_on(t.on)}
    for fault in (f for f in Fault if f in possible or faults[f]):
        print(f"  {fault:44} {faults[fault]:5}")
    each = took_s / max(1, faults.total())
    print(f"faults     {faults.total()} in {took_s:.0f} s ({each:.1f} s each, load {load:.1f} at the start)")
    print(
        f"quiet      all ended {quiet[len(quiet) // 2]:.1f} s after the last fault (median), {quiet[-1]:.1f} s at most"
    )
    print("in step    " + ", ".join(f"{step} {n}" for step, n in moments.most_common()))
    print(f"lost       {sum(len(t.found.lost) for t in told)}")
    print(f"doubled    {sum(len(t.found.doubled) for t in told)}")
    bad = [t for t in told if t.found.all]
    for t in bad:
        print(f"BROKEN     {_replay(t.seed, t.on)}   (its home: {t.folder})")
        for said in t.found.all:
            print(f"           {said}")
    for seed, on, said in failed:
        print(f"BROKEN     {_replay(seed, on)}\n           {said}")
    print(f"broken     {len(bad) + len(failed)}")
    return int(bool(bad or failed))


def _replay(seed: int, on: Ground) -> str:
    return f"python -m tests.chaos_stack --seed {seed} --broker {on.broker} --database {on.database}"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
