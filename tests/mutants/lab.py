"""A copy of the project in which a mutant lives for the length of its tests."""

from __future__ import annotations

import compileall
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
PATIENCE_S = 240.0


@dataclass(frozen=True)
class Verdict:
    """What the tests said of a mutant: those that went red, those that stayed green, and the words for a broken run."""

    red: frozenset[str]
    green: frozenset[str]
    said: str = ""


@dataclass(frozen=True)
class Lab:
    """The copy; one mutant at a time."""

    folder: Path

    @classmethod
    def set_up(cls, folder: Path) -> Lab:
        """Copy what the tests need. Compiled files are kept by the hash of their source, so that no edit is overlooked."""
        unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".pytest_cache")
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
        for name in FILES:
            shutil.copy2(ROOT / name, folder / name)
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        for name in ("loopy", "workers"):
            compileall.compile_dir(folder / name, quiet=2, invalidation_mode=mode)
        return cls(folder)

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
        argv = [sys.executable, "-m", "pytest", "-q", "-rA", "--tb=no", "--timeout=60", "-p", "no:cacheprovider"]
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
        env.pop("PYTEST_ADDOPTS", None)
        env = {k: v for k, v in env.items() if not k.startswith(("PYTEST_XDIST", "PYTEST_CURRENT"))}
        done = subprocess.run(
            [*argv, *(f"tests/{node}" for node in nodes)],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = dict.fromkeys(("PASSED", "FAILED", "ERROR"), frozenset[str]())
        for word in said:
            said[word] = frozenset(re.findall(rf"^{word} tests/(\S+)", done.stdout, re.MULTILINE))
        broken = "" if done.returncode in (0, 1) else done.stdout[-2000:] + done.stderr[-2000:]
        return Verdict(said["FAILED"], said["PASSED"], broken)
