"""`python tools/branches.py`: run the tests of engine and store under coverage; 1 when a branch of theirs is neither visited nor excepted.

The exceptions are `tests/branches.toml`: by file, the branch as "line -> line it leads to" (or the `except` line), with the
reason. One that is no longer in the source is a failure too; one that was visited this time is told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXCEPTIONS = ROOT / "tests" / "branches.toml"
TESTS = ("tests/engine", "tests/store", "tests/simulation", "tests/domain_gate", "tests/cli")
WATCHED = ("loopy/engine/", *(f"loopy/store/{name}.py" for name in ("runs", "records", "tickets", "graph", "rows")))
SETTINGS = """
[run]
branch = true
source = loopy.engine, loopy.store
concurrency = thread, greenlet
data_file = {folder}/data
"""


def measured(folder: Path) -> dict[str, dict[str, list[list[int]]]]:
    """Run the tests; return coverage's account of each watched file. Raises CalledProcessError when a test fails."""
    settings, report = folder / "settings", folder / "report.json"
    settings.write_text(SETTINGS.format(folder=folder))
    coverage = [sys.executable, "-m", "coverage"]
    pytest = ["-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-m", "not slow", *TESTS]
    subprocess.run([*coverage, "run", f"--rcfile={settings}", *pytest], cwd=ROOT, check=True)
    subprocess.run([*coverage, "json", f"--rcfile={settings}", "-q", "-o", str(report)], cwd=ROOT, check=True)
    files = json.loads(report.read_text())["files"]
    return {name: seen for name, seen in files.items() if name.startswith(WATCHED)}


def unvisited(file: str, seen: dict[str, list[list[int]]]) -> Iterator[str]:
    """Yield the branches of a file that nobody took, in words that outlive a change of line numbers."""
    lines = ["", *(line.strip() for line in (ROOT / file).read_text(encoding="utf-8").splitlines())]
    for start, end in seen["missing_branches"]:
        yield f"{lines[start]} -> {lines[end] if end > 0 else 'exit'}"
    for line in seen["missing_lines"]:
        if isinstance(line, int) and lines[line].startswith("except"):
            yield lines[line]


def stands(file: str, branch: str) -> bool:
    """Whether the source still has the line that an exception names."""
    path = ROOT / file
    return path.is_file() and branch.partition(" -> ")[0] in map(str.strip, path.read_text("utf-8").splitlines())


def main() -> int:
    """Print what is neither visited nor excepted, and exceptions that are none."""
    excepted = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="loopy-branches-") as folder:
        seen = measured(Path(folder))
    wrong = 0
    for file in sorted({*seen, *excepted}):
        found, named = set(unvisited(file, seen[file])) if file in seen else set(), excepted.get(file, {})
        for branch in sorted(found ^ named.keys()):
            fate = "not visited" if branch in found else "visited this time" if stands(file, branch) else "gone"
            print(f"{file}: {fate}: {branch}")
            wrong += fate != "visited this time"  # of two threads now this one comes first, now that one
    total = sum(len(named) for named in excepted.values())
    print(f"{wrong} to mend; {total} branches are excepted, with a reason each")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
