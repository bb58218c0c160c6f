"""An agent that prints without end: bounded memory in its worker, a capped transcript, and a work graph that stays small."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.bad_luck.support import HEAD, PASSED, WRITE, Yard, agent, assert_whole

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="the peak of another process's memory is read from /proc"),
]

MB = 1 << 20
GIGABYTE = "line = (b'0123456789 and so on, ' * 45 + b'\\n') * 64\nsent = 0\nsignal.alarm(0)\n"
GIGABYTE += "while sent < 1 << 30: sent += os.write(1, line)\n"
SHORT_LINES = GIGABYTE.replace("(b'", "((b'").replace("* 45 + b'\\n') * 64", "* 3)[:63] + b'\\n') * 1024")
LONG_LINE = "signal.alarm(0)\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))\nsys.stdout.write('\\n')\n"


def peak(pid: int) -> int:
    """Return the most memory that the process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))


def size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("loopy.db*"))


@pytest.mark.parametrize(
    ("name", "source"), [("gigabyte", GIGABYTE), ("short-lines", SHORT_LINES), ("long-line", LONG_LINE)]
)
def test_whatever_an_agent_prints_its_worker_stays_small(yard: Yard, name: str, source: str) -> None:
    yard.house.settle(HEAD + agent(name, source + WRITE, wall_s=240, idle_s=60) + agent("good", WRITE))
    worker = yard.hire()
    first = yard.file("Write done", "good")
    yard.until_ended(first)
    Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # the peak begins anew
    before, graph = psutil.Process(worker.pid).memory_info().rss, size(yard.home)
    run_id = yard.file("Write done, and talk", name)
    took = yard.until_ended(run_id, patience_s=250)
    grown = peak(worker.pid) - before
    transcripts = [p.stat().st_size for p in (yard.home / "runs" / run_id).glob("transcript-*")]
    print(
        f"{name}: {grown / MB:.1f} MiB grown, graph {(size(yard.home) - graph) / MB:.1f}, {transcripts=}, {took:.0f} s"
    )
    assert yard.came_to(run_id) == (PASSED, "")
    assert grown < 50 * MB
    assert max(transcripts) <= 64 * MB + 200
    assert size(yard.home) - graph < 5 * MB
    if name != "long-line":
        log = next((yard.home / "runs" / run_id).glob("transcript-*")).read_bytes()
        assert log.endswith(b"the agent went on]\n")
    assert_whole(yard, 2)
