"""Size ratchets: fails when a file, a function or an undocumented module grows past what a reader can hold."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE_LINES, FUNCTION_LINES = 300, 40
LOOKED_AT = ("loopy", "workers", "tests", "tools", "examples", "benchmarks", "beat_schedule.py")
SKIPPED = ("loopy/demo/package/",)  # the demo's material: a project of its own
UNDOCUMENTED_OK = ("tests/",)  # a test's name is its documentation

# Who may be larger, and why: "path", "path::function" or "folder/". One that nothing needs fails too.
EXCEPTIONS: Mapping[str, str] = {
    "loopy/store/migrations/versions/": "a migration is a frozen record of a schema, read as a list",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One place that is too large, has no docstring, or is excepted for nothing."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def violations(root: Path, exceptions: Mapping[str, str] = EXCEPTIONS) -> list[Violation]:
    """Return what the tree under `root` holds against the ratchets, the exceptions taken off and the stale ones added."""
    found = [violation for path in sources(root) for violation in in_file(path, path.relative_to(root).as_posix())]
    stale = [
        Violation(exception, "is an exception that nothing needs: delete it")
        for exception in sorted(exceptions)
        if not any(is_excepted(violation.where, exception) for violation in found)
    ]
    return [v for v in found if not any(is_excepted(v.where, exception) for exception in exceptions)] + stale


def is_excepted(where: str, exception: str) -> bool:
    """Whether the exception names this place, or a folder above it."""
    return where == exception or (exception.endswith("/") and where.startswith(exception))


def sources(root: Path) -> Iterator[Path]:
    """Yield the Python files that are ours, in order."""
    for name in LOOKED_AT:
        top = root / name
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            if not path.relative_to(root).as_posix().startswith(SKIPPED):
                yield path


def in_file(path: Path, name: str) -> Iterator[Violation]:
    """Yield what is wrong with one file."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text, name), len(text.splitlines())
    if lines > FILE_LINES:
        yield Violation(name, f"{lines} lines, at most {FILE_LINES}: is there a second noun in it?")
    if not ast.get_docstring(tree) and is_public(path) and not name.startswith(UNDOCUMENTED_OK):
        yield Violation(name, "no module docstring: say its purpose in one sentence")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield Violation(f"{name}::{node.name}", f"{size} lines, at most {FUNCTION_LINES} (line {node.lineno})")


def is_public(path: Path) -> bool:
    """Whether the module is for others: its name does not begin with an underscore, or is a package's own."""
    return path.stem == "__init__" or not path.stem.startswith("_")


def main() -> int:
    """Print the violations of the tree that the first argument names (default: here); 1 when there are any."""
    found = violations(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    for violation in found:
        print(violation)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
