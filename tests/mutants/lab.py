"""A copy of the project in which a mutant lives for the length of its tests."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("loopy", "workers", "tests")
FILES = ("beat_schedule.py", "pyproject.toml")
WORDS = ("-q", "-rA", "--tb=no", "--timeout=60", "-p", "no:cacheprovider", "-p", "no:xdist")


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutant: those that went red, those that stayed green, and the words for a broken run."""

    red: frozenset[str]
    green: frozenset[str]
    said: str = ""


@dataclass(frozen=True)
class Lab:
    """The copy, and the process in which its tests are run; one mutant at a time."""

    folder: Path
    nursery: subprocess.Popen[str]
    env: dict[str, str]

    @contextmanager
    def living(self, mutant: Mutant) -> Iterator[None]:
        """Put the mutant into the sources, and take it out again."""
        before = {edit.path: (self.folder / edit.path).read_text(encoding="utf-8") for edit in mutant.edits}
        try:
            for edit in mutant.edits:
                file = self.folder / edit.path
                text = file.read_text(encoding="utf-8")
                assert text.count(edit.old) == 1, f"{mutant}: {edit.path} holds the text {text.count(edit.old)} times"
                file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
            yield
        finally:
            for path, text in before.items():
                (self.folder / path).write_text(text, encoding="utf-8")

    def run(self, nodes: Sequence[str]) -> Verdict:
        """Run these tests on the copy as it stands."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write(json.dumps([*WORDS, *(f"tests/{node}" for node in nodes)]) + "\n")
        self.nursery.stdin.flush()
        answer = json.loads(self.nursery.stdout.readline())
        found = {
            word: frozenset(re.findall(rf"^{word} tests/(\S+)", answer["said"], re.MULTILINE))
            for word in ("PASSED", "FAILED")
        }
        broken = "" if answer["code"] in (0, 1) else f"exit {answer['code']}\n{answer['said'][-4000:]}"
        return Verdict(found["FAILED"], found["PASSED"], broken)


@contextmanager
def laboratory(folder: Path) -> Iterator[Lab]:
    """Copy what the tests need. Compiled files are kept by the hash of their source, so that no edit is overlooked."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)
    for name in ("loopy", "workers"):
        compileall.compile_dir(folder / name, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "LOOPY_"))}
    env |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
    argv = [sys.executable, "-P", str(folder / "tests" / "mutants" / "nursery.py")]
    nursery = subprocess.Popen(
        argv, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with nursery:
        try:
            yield Lab(folder, nursery, env)
        finally:
            nursery.kill()
