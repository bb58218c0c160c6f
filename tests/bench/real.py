"""What a user waits for, with nothing replaced: real workers, guards, git and agent processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psutil

from loopy.bootstrap.services import Services, services
from loopy.domain.states import RunState, Verdict
from tests.bench.hosts import ROOT, wait
from tests.cli.support import House, file_and_start, make_repo

HEAD = 'lease_s = 30\n[policy]\nsandbox = "none"\n[limits]\nturns = {n}\nsteps = 8\nrepo = {n}\n'
AGENT = '[agents.{name}]\ncli = "command"\nargv = {argv}\nconcurrency = {n}\n'
FILES = {"a.txt": "hello\n", "loopy.toml": '[[checks]]\nname = "there"\nargv = ["test", "-f", "a.txt"]\n'}
SAY_WHEN = "import time; open({at!r}, 'w').write(repr(time.time())); open('a.txt', 'a').write('done\\n')"
LINES, PAUSE_S = 200, 0.05
TALK = (
    "import time\nfor n in range({lines}):\n    print('line', n, 'of an agent that thinks aloud', flush=True)\n"
    "    time.sleep({pause})\nopen('a.txt', 'a').write('done\\n')"
)
GIGABYTE = (
    "import os\nline = (b'0123456789 and so on, ' * 45 + b'\\n') * 64\nsent = 0\n"
    "while sent < 1 << 30: sent += os.write(1, line)\nopen('a.txt', 'a').write('done\\n')"
)


def agent(name: str, source: str, n: int = 1) -> str:
    """Return the settings of an agent that is a Python script."""
    return AGENT.format(name=name, argv=json.dumps([sys.executable, "-I", "-S", "-c", source]), n=n)


def house(folder: Path, settings: str) -> House:
    """Make a home and a repository."""
    folder.mkdir()
    made = House(folder / "home", make_repo(folder / "repo", FILES))
    made.settle(settings)
    return made


@contextmanager
def up(home: House) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """Run `loopy up`; yield it with the seconds that it took to be ready."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")}
    env |= {"LOOPY_HOME": str(home.home), "PYTHONPATH": str(ROOT)}
    log, began = home.home / "up.log", time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "loopy.cli.main", "up"], env=env, stdout=out, stderr=out)
    try:
        wait(lambda: b"ready;" in log.read_bytes(), pause=0.005)
        yield process, time.monotonic() - began
    finally:
        process.terminate()
        process.wait(30)


def ended(made: Services, runs: Sequence[str]) -> bool:
    """Whether all have ended; those that did have passed."""
    with made.graph.read() as tx:
        found = [run for run in map(tx.runs.get, runs) if run is not None and run.state is RunState.ENDED]
    assert {run.verdict for run in found} <= {Verdict.PASSED}, found
    return len(found) == len(runs)


def file_here(home: House) -> tuple[Services, Callable[[str], str]]:
    """Return the services of the home, and what files and starts a ticket there."""
    made = services({**os.environ, "LOOPY_HOME": str(home.home)})
    return made, lambda title: file_and_start(made, title, home.repo).id


def start_up(folder: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return the seconds until `loopy up` is ready, and those from a filed ticket to its agent's first instruction."""
    at = folder / "at"
    home = house(folder / "start", HEAD.format(n=4) + agent("quick", SAY_WHEN.format(at=str(at))))
    ready, agents = [], []
    for _ in range(rounds):
        with up(home) as (_, took):
            ready.append(took)
            made, file = file_here(home)
            for n in range(4):
                began = time.time()
                run = file("Write done")
                wait(partial(ended, made, [run]))
                if n:  # the first one warms the repository's mirror
                    agents.append(float(at.read_text()) - began)
            made.graph.close()
    return ready, agents


def crowd(folder: Path, n: int) -> tuple[int, float, float, int]:
    """Let `n` agents talk at once; return lines lost, and at the worst the worker's MB, those of all beside it, agents."""
    source = TALK.format(lines=LINES, pause=PAUSE_S)
    home = house(folder / "crowd", HEAD.format(n=n) + agent("talker", source, n))
    with up(home) as (worker, _):
        made, file = file_here(home)
        runs = [file(f"Talk {k}") for k in range(n)]
        worst = (0.0, 0.0, 0)

        def look() -> bool:
            nonlocal worst
            now = memory(psutil.Process(worker.pid))
            worst = (max(worst[0], now[0]), max(worst[1], now[1]), max(worst[2], now[2]))
            return ended(made, runs)

        wait(look, seconds=300, pause=0.5)
        texts = [next((home.home / "runs" / run).glob("transcript-*")).read_text() for run in runs]
        lost = sum(f"line {k} of" not in text for text in texts for k in range(LINES))
        made.graph.close()
    return lost, *worst


def memory(worker: psutil.Process) -> tuple[float, float, int]:
    """Return the worker's MB, those of all that it has started (guards and agents), and how many agents are among it."""
    beside, agents = 0.0, 0
    for child in worker.children(recursive=True):
        with suppress(psutil.Error):
            beside += child.memory_full_info().pss / 1e6
            agents += "thinks aloud" in " ".join(child.cmdline())
    return worker.memory_full_info().pss / 1e6, beside, agents


def flood(folder: Path) -> tuple[float, float, float]:
    """Let an agent print a gigabyte; return the MB by which its worker and the graph grew, and the seconds."""
    home = house(folder / "flood", HEAD.format(n=1) + agent("loud", GIGABYTE))
    with up(home) as (worker, _):
        made, file = file_here(home)
        size = sum(p.stat().st_size for p in home.home.glob("loopy.db*"))
        Path(f"/proc/{worker.pid}/clear_refs").write_text("5")
        before, began = psutil.Process(worker.pid).memory_info().rss, time.monotonic()
        wait(partial(ended, made, [file("Print")]), seconds=300, pause=0.05)
        took = time.monotonic() - began
        high = next(x for x in Path(f"/proc/{worker.pid}/status").read_text().splitlines() if x.startswith("VmHWM"))
        graph = sum(p.stat().st_size for p in home.home.glob("loopy.db*")) - size
        made.graph.close()
    return (int(high.split()[1]) * 1024 - before) / 1e6, graph / 1e6, took


def process(*words: str) -> float:
    """Return the seconds of a Python process that does this."""
    began = time.monotonic()
    subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - began
