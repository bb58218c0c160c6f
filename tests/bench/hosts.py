"""Homes, servers and worker processes for the benchmark; everything that is started is ended by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME_TOML = """\
lease_s = 30
[policy]
sandbox = "none"
[limits]
turns = 8
steps = 8
repo = 8
[agents.a]
cli = "command"
argv = ["true"]
concurrency = 8
"""


def wait(done: Callable[[], object], seconds: float = 30.0, pause: float = 0.01) -> None:
    """Wait until something is true. Raises TimeoutError."""
    give_up = time.monotonic() + seconds
    while not done():
        if time.monotonic() > give_up:
            raise TimeoutError("the benchmark waits in vain")
        time.sleep(pause)


def make_home(folder: Path, turn_s: float = 0.0, broker: str = "") -> dict[str, str]:
    """Make a home and return the environment that names it."""
    folder.mkdir(mode=0o700)
    (folder / "loopy.toml").write_text(HOME_TOML)
    env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")}
    env |= {"LOOPY_HOME": str(folder), "BENCH_TURN_S": str(turn_s), "PYTHONPATH": str(ROOT)}
    return env | ({"LOOPY_BROKER_URL": broker} if broker else {})


@contextmanager
def worker(app: str, env: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker until the block ends."""
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        app,
        "worker",
        "-l",
        "WARNING",
        "--without-gossip",
        "--without-mingle",
    ]
    log = Path(env.get("LOOPY_HOME", "/tmp")) / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([*argv, *words], env=env, cwd=ROOT, stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def pss_mb(pid: int) -> float:
    """Return a process's proportional memory in MB, with that of its children."""
    total = 0.0
    for each in (pid, *children(pid)):
        text = Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))) / 1024
    return total


def children(pid: int) -> list[int]:
    """Return the pids of a process's living children."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def cpu_s(pid: int) -> float:
    """Return the processor time that a process and its children have used."""
    ticks = 0
    for each in (pid, *children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
