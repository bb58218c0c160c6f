"""Any volume of output passes in bounded memory, a slow reader slows the writer, and many commands run side by side."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from loopy.process.runner import run
from tests.process.procs import ROOT, command, go, python

GIGABYTE = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from loopy.process.command import Command
from loopy.process.runner import run
from loopy.process.text import Lines
lines, total = Lines(max_line=4096), 0
def take(stream, chunk):
    global total
    total += len(chunk)
    lines.feed(chunk)
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "linux" else 1024)
def dd(count):
    argv = ("sh", "-c", f"yes 0123456789012345678901234567890123456789 | head -c {count}")
    return run(Command(argv=argv, cwd=Path("/"), env={"PATH": "/usr/bin:/bin"}, wall_s=100), on_output=take)
assert dd(1000).ok
before = peak()
assert dd(1 << 30).ok
print(total, peak() - before)
"""


@pytest.mark.slow
def test_a_gigabyte_of_output_passes_in_bounded_memory() -> None:
    seen = subprocess.run([sys.executable, "-c", GIGABYTE, str(ROOT)], capture_output=True, check=True)
    total, grown_kib = map(int, seen.stdout.split())
    assert total == (1 << 30) + 1000
    assert grown_kib < 10_000


def test_a_slow_reader_slows_the_writer(tmp_path: Path) -> None:
    done = tmp_path / "done"
    seen: list[bool] = []

    def take(_stream: str, chunk: bytes) -> None:
        if not seen:
            threading.Event().wait(0.5)  # time in which a writer without back-pressure would be through
            seen.append(done.exists())

    code = "import os, sys\nfor _ in range(80): os.write(1, bytes(100_000))\nopen(sys.argv[1], 'w')"
    assert run(command(*python(code, str(done))), on_output=take).ok
    assert seen == [False]
    assert done.exists()


@pytest.mark.slow
def test_fifty_commands_stream_side_by_side_and_lose_nothing() -> None:
    code = "import os\nfor i in range(2000): os.write(1, b'%05d\\n' % i)"
    whole = b"".join(b"%05d\n" % i for i in range(2000))
    outs: list[bytes] = []
    threads = [threading.Thread(target=lambda: outs.append(go(*python(code)).stdout)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outs == [whole] * 50
