"""`python -m tests.bench [--quick]`: one Markdown table of ratios, measured in one run, with the machine's load."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench.hosts import make_home, redis_server, wait, worker
from tests.bench.measures import STEPS, Bare, Loopy, fill, idle, interleaved, p50, takeover

THREADS = ("-P", "threads", "-c", "4")


def main(words: list[str]) -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see whether it runs, not for figures")
    quick = parser.parse_args(words).quick
    if shutil.which("redis-server") is None:
        print("the yardstick needs redis-server", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="loopy-bench-") as folder:
        rows = [
            *chains(Path(folder), quick=quick),
            *recovery(Path(folder), quick=quick),
            *growth(Path(folder), quick=quick),
        ]
    print(
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start.\n"
    )
    print("| what | figure | against | ratio | bar |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


Row = tuple[str, str, str, str, str]


def chains(folder: Path, *, quick: bool) -> list[Row]:
    """Latency, throughput and submit rate beside the bare chain, in turns."""
    many, rounds, ones_each = (20, 1, 5) if quick else (200, 3, 40)
    with ExitStack() as stack:
        url = stack.enter_context(redis_server(folder))
        base = dict(os.environ) | {"BENCH_REDIS": url}
        embedded, redis_home = (
            make_home(folder / "embedded"),
            make_home(folder / "redis", broker=url.replace("/0", "/1")),
        )
        stack.enter_context(worker("tests.bench.bare", base, *THREADS, "-n", "bare@%h"))
        ours = stack.enter_context(worker("tests.bench.noop", embedded, *THREADS, "-n", "embedded@%h"))
        stack.enter_context(worker("tests.bench.noop", redis_home, *THREADS, "-n", "redis@%h"))
        sides = (Bare.at(url), Loopy.at(embedded), Loopy.at(redis_home))
        for side in sides:
            side.one()
        ones = [p50(f) for f in interleaved([s.one for s in sides], ones_each)]
        both = [[side.many(many) for side in sides] for _ in range(rounds)]
        filed = [many / p50([r[n][0] for r in both]) for n in range(3)]
        rates = [many * STEPS / p50([r[n][1] for r in both]) for n in range(3)]
        time.sleep(6)  # the embedded consumer looks more seldom when nothing comes
        memory, busy = idle(ours.pid, 3 if quick else 20)
    return [
        *_beside(1, "embedded", ones, rates, filed, many),
        *_beside(2, "Redis", ones, rates, filed, many),
        ("idle memory of a worker (PSS)", f"{memory:.0f} MB", "", "", "< 150 MB"),
        ("an idle worker's share of a core", f"{busy:.2f} %", "", "", "< 1 %"),
    ]


def _beside(n: int, name: str, ones: list[float], rates: list[float], filed: list[float], many: int) -> list[Row]:
    """Return the rows of one broker beside the bare chain, which is the first of each list."""
    bars = ("≤ 1.0", "≥ 1.0") if n == 1 else ("", "")
    step, bare_step = 1000 * ones[n] / STEPS, 1000 * ones[0] / STEPS
    return [
        (f"a step's latency, {name}", f"{step:.1f} ms", f"{bare_step:.1f} ms", f"{step / bare_step:.2f}", bars[0]),
        (
            f"steps a second, {many} runs, {name}",
            f"{rates[n]:.0f}",
            f"{rates[0]:.0f}",
            f"{rates[n] / rates[0]:.2f}",
            bars[1],
        ),
        (f"tickets filed a second, {name}", f"{filed[n]:.0f}", f"{filed[0]:.0f}", f"{filed[n] / filed[0]:.2f}", ""),
    ]


def recovery(folder: Path, *, quick: bool) -> list[Row]:
    """Kill the worker in the middle of a step; how soon does the survivor go on?"""
    env, took = make_home(folder / "killed", turn_s=60), list[float]()
    for n in range(2 if quick else 8):
        with ExitStack() as stack:
            pair = [stack.enter_context(worker("tests.bench.noop", env, *THREADS, "-n", f"k{n}{i}@%h")) for i in (0, 1)]
            home = Loopy.at(env)
            wait(partial(_both_up, home))
            took.append(takeover(home, pair))
            with home.made.graph.read() as tx:
                live = [r.ticket for r in tx.runs.by_state("queued", "running", "ready")]
            for ticket in live:
                home.made.intake.cancel(ticket, "bench")
            wait(partial(_all_ended, home), seconds=60)
            home.made.graph.close()
    worst = f"{1000 * max(took):.0f} ms the slowest of {len(took)}"
    return [("resume after kill -9, a survivor there", f"{1000 * p50(took):.0f} ms", worst, "", "< 1 s")]


def _both_up(home: Loopy) -> bool:
    with home.made.graph.read() as tx:
        return len(tx.fleet.workers()) == 2


def _all_ended(home: Loopy) -> bool:
    return home.open() == 0


def growth(folder: Path, *, quick: bool) -> list[Row]:
    """The latency of a workflow on a graph that remembers many, in turns with an empty one."""
    sizes = (0, 1_000) if quick else (0, 10_000, 100_000)
    with ExitStack() as stack:
        homes = []
        for size in sizes:
            env = make_home(folder / f"full{size}")
            first = Loopy.at(env)
            with worker("tests.bench.noop", env, *THREADS, "-n", f"first{size}@%h"):
                first.one()
            first.made.graph.close()
            if size:
                fill(folder / f"full{size}" / "loopy.db", size)
            stack.enter_context(worker("tests.bench.noop", env, *THREADS, "-n", f"full{size}@%h"))
            homes.append(Loopy.at(env))
        for home in homes:
            home.one()
        ones = [p50(f) for f in interleaved([h.one for h in homes], 5 if quick else 40)]
    empty = f"{1000 * ones[0]:.0f} ms, none"
    return [
        (
            f"a workflow beside {size:,} finished tickets",
            f"{1000 * took:.0f} ms",
            empty,
            f"{took / ones[0]:.2f}",
            "≤ 1.2",
        )
        for size, took in zip(sizes[1:], ones[1:], strict=True)
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
