"""`python -m tests.bench [--quick]`: one Markdown table of ratios, measured in one run, with the machine's load."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tests.bench import real
from tests.bench.boxes import box_here, starts
from tests.bench.hosts import make_home, wait, worker
from tests.bench.measures import STEPS, Bare, Loopy, fill, fsync_ms, idle, interleaved, p50, takeover
from tests.bench.peers import Peer, dbos, prefect
from tests.stack.house import redis_server

FOUR = ("-c", "4")


def main(words: list[str]) -> int:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds: to see whether it runs, not for figures")
    parser.add_argument("--dbos", metavar="PYTHON", help="an interpreter that has dbos, to measure it beside us")
    parser.add_argument("--prefect", metavar="PYTHON", help="an interpreter that has prefect, likewise")
    given = parser.parse_args(words)
    quick: bool = given.quick
    beside = [partial(peer, python) for peer, python in ((dbos, given.dbos), (prefect, given.prefect)) if python]
    parts: list[Callable[..., list[Row]]] = [partial(chains, beside=beside), recovery, growth, waits, volume]
    if shutil.which("redis-server") is None:
        print("the yardstick needs redis-server", file=sys.stderr)
        return 2
    load, rows = os.getloadavg()[0], list[Row]()
    with tempfile.TemporaryDirectory(prefix="loopy-bench-") as folder:
        disk = fsync_ms(Path(folder))
        for n, part in enumerate(parts, start=1):
            print(f"part {n} of {len(parts)} …", file=sys.stderr, flush=True)
            rows += part(Path(folder), quick=quick)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}, an fsync {disk:.2f} ms.\n")
    print("| what | figure | against | ratio | bar |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


Row = tuple[str, str, str, str, str]


@dataclass
class Chains:
    """What one side after the other showed, in turns: seconds a step, steps and tickets a second; of our ships; at rest."""

    ones: list[float]
    rates: list[float]
    filed: list[float]
    ship: float
    memory: float
    busy: float


def chains(folder: Path, *, quick: bool, beside: Sequence[Callable[[Path], Peer]] = ()) -> list[Row]:
    """Latency, throughput and submit rate beside the bare chain, and beside peers."""
    peers = [made(folder) for made in beside]
    seen = _in_turns(folder, quick, peers)
    ones, rates = seen.ones, seen.rates
    rows = [
        row
        for n, name in ((2, "embedded"), (3, "embedded, two workers"), (4, "Redis"))
        for row in _beside(n, name, ones, rates, seen.filed)
    ]
    for n, peer in enumerate(peers, start=5):
        its = (f"{1000 * ones[n]:.1f} ms ({peer.name})", f"{rates[n]:.0f} /s ({peer.name})")
        rows += [
            (f"{WHAT[0]}, embedded", f"{1000 * ones[2]:.1f} ms", its[0], f"{ones[2] / ones[n]:.2f}", ""),
            (f"{WHAT[1]}, embedded", f"{rates[2]:.0f} /s", its[1], f"{rates[2] / rates[n]:.2f}", peer.bar),
        ]
    return [
        *rows,
        ("a ship: intent, push, read-back, receipt; two fsyncs", f"{1000 * seen.ship:.1f} ms", "", "", ""),
        ("idle memory of a worker (PSS)", f"{seen.memory:.0f} MB", "", "", "< 150 MB"),
        ("an idle worker's share of a core", f"{seen.busy:.2f} %", "", "", "< 1 %"),
    ]


def _in_turns(folder: Path, quick: bool, peers: Sequence[Peer]) -> Chains:
    many, rounds, ones_each = (20, 1, 5) if quick else (200, 3, 40)
    with ExitStack() as stack:
        url = stack.enter_context(redis_server(folder))
        urls = [url.replace("/0", f"/{n}") for n in range(3)]
        for n, pool in enumerate((FOUR, ("-P", "threads", *FOUR))):
            env = dict(os.environ) | {"BENCH_REDIS": urls[n]}
            stack.enter_context(worker("tests.bench.bare", env, *pool, "-n", f"bare{n}@%h"))
        ours, pids = [], []
        for name, broker, workers in (("one", "", 1), ("two", "", 2), ("redis", urls[2], 1)):
            env = make_home(folder / name, broker=broker)
            names = [f"{name}{n}@%h" for n in range(workers)]
            pids += [stack.enter_context(worker("tests.bench.noop", env, *FOUR, "-n", n)).pid for n in names]
            ours.append(Loopy.at(env))
        own: tuple[Bare | Loopy, ...] = (Bare.at(urls[0]), Bare.at(urls[1]), *ours)
        sides = (*own, *(stack.enter_context(peer.running()) for peer in peers))
        for side in sides:
            side.one()
        interleaved([side.one for side in own], ones_each)
        interleaved(
            [peer.one for peer in peers], ones_each // 4
        )  # apart: each starts a Python, and ours would doze off
        both = [[side.many(many) for side in sides] for _ in range(rounds)]
        time.sleep(6)  # the embedded consumer looks more seldom when nothing comes
        memory, busy = idle(pids[0], 3 if quick else 20)
    return Chains(
        ones=[p50(side.steps[1:]) for side in sides],
        rates=[
            many // getattr(side, "fewer", 1) * STEPS / p50([r[n][1] for r in both]) for n, side in enumerate(sides)
        ],
        filed=[many / p50([r[n][0] for r in both]) for n in range(len(own))],
        ship=p50(ours[0].ships[1:]),
        memory=memory,
        busy=busy,
    )


def _beside(n: int, name: str, ones: list[float], rates: list[float], filed: list[float]) -> Iterator[Row]:
    """Yield the rows of one broker beside the bare chain in Celery's default pool, and beside the one in threads."""
    ours = (1000 * ones[n], rates[n], filed[n])
    for at, pool in ((0, "prefork"), (1, "threads")):
        bars = ("≤ 1.0", "≥ 1.0", "") if (n, at) == (2, 0) else ("", "", "")
        bare = (1000 * ones[at], rates[at], filed[at])
        for what, unit, mine, its, bar in zip(WHAT, ("ms", "/s", "/s"), ours, bare, bars, strict=True):
            if at == 0 or what != WHAT[2]:
                figures = [f"{figure:.1f} {unit}" if unit == "ms" else f"{figure:.0f} {unit}" for figure in (mine, its)]
                yield f"{what}, {name}", figures[0], f"{figures[1]} ({pool})", f"{mine / its:.2f}", bar


WHAT = ("a step's latency", "steps of many runs at once", "tickets filed")


def recovery(folder: Path, *, quick: bool) -> list[Row]:
    """Kill the worker in the middle of a step; how soon does the survivor go on?"""
    env, took = make_home(folder / "killed", turn_s=60), list[float]()
    for n in range(2 if quick else 5):
        with ExitStack() as stack:
            pair = [stack.enter_context(worker("tests.bench.noop", env, *FOUR, "-n", f"k{n}{i}@%h")) for i in (0, 1)]
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
            with worker("tests.bench.noop", env, *FOUR, "-n", f"first{size}@%h"):
                first.one()
            first.made.graph.close()
            if size:
                fill(folder / f"full{size}" / "loopy.db", size)
            stack.enter_context(worker("tests.bench.noop", env, *FOUR, "-n", f"full{size}@%h"))
            homes.append(Loopy.at(env))
        for home in homes:
            home.one()
        ones = [p50(f) for f in interleaved([h.one for h in homes], 5 if quick else 30)]
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


def waits(folder: Path, *, quick: bool) -> list[Row]:
    """What a person waits for: the worker, the command line, the agent."""
    ready, agents = real.start_up(folder, 1 if quick else 4)
    bare, says = (p50([real.process(*words) for _ in range(3 if quick else 9)]) for words in (NOTHING, HELP))
    slowest = f"{1000 * max(agents):.0f} ms the slowest of {len(agents)}"
    return [
        *box(folder, quick=quick),
        ("`loopy up` is ready", f"{p50(ready):.2f} s", f"{max(ready):.2f} s the slowest of {len(ready)}", "", "< 2 s"),
        ("ticket filed → agent's first instruction", f"{1000 * p50(agents):.0f} ms", slowest, "", "< 500 ms"),
        ("`loopy --help`", f"{1000 * says:.0f} ms", f"{1000 * bare:.0f} ms, Python alone", f"{says / bare:.2f}", ""),
    ]


def box(folder: Path, *, quick: bool) -> list[Row]:
    """The start of a boxed command beside a bare one, where this host has a box."""
    found = box_here(folder / "home")
    if found is None:
        return [("`true` in the sandbox", "no sandbox here", "", "", "< 50 ms")]
    boxed, bare = map(p50, starts(found, folder / "boxed", 10 if quick else 100))
    what = f"`true` in the sandbox ({found.held.backend})"
    return [(what, f"{1000 * boxed:.1f} ms", f"{1000 * bare:.1f} ms without", f"{boxed / bare:.1f}", "< 50 ms")]


NOTHING, HELP = ("-c", "pass"), ("-m", "loopy.cli.main", "--help")


def volume(folder: Path, *, quick: bool) -> list[Row]:
    """Many agents that talk at once, and one that prints a gigabyte."""
    n = 10 if quick else 50
    lost, worker_mb, beside_mb, at_once = real.crowd(folder, n)
    grown, graph, took = real.flood(folder)
    said = f"{lost} of {n * real.LINES:,} lines lost"
    return [
        (f"{n} agents that talk, {at_once} at once", said, f"guards and agents {beside_mb:.0f} MB", "", "0"),
        ("the worker's memory meanwhile (PSS)", f"{worker_mb:.0f} MB", "", "", "< 200 MB"),
        (
            "growth by 1 GB of an agent's output",
            f"{grown:.0f} MB",
            f"graph {graph:.1f} MB, {took:.0f} s",
            "",
            "< 50 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
