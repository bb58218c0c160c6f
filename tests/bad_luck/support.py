"""A yard where things go wrong: the command line, real worker processes, and agents written as scripts with a deadline."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psutil
import pytest

from loopy.bootstrap.services import Services
from loopy.domain.agent import Tried
from loopy.domain.run import Run
from loopy.domain.states import RunState, Verdict
from loopy.process import background
from loopy.process.background import Background
from tests.cli.support import House, Said, file_and_start
from tests.stack.house import wait_until

CHECK = '[[checks]]\nname = "grep"\nargv = ["grep", "-q", "done", "a.txt"]\n'
FILES = {"a.txt": "hello\n", "loopy.toml": CHECK}
HEAD = 'lease_s = 5\n\n[policy]\nsandbox = "none"\nturns = 2\n'
WRITE = "open('a.txt', 'a').write('done\\n')\n"
DEADLINE = "import os, signal, sys, time\nsignal.alarm(60)\n"  # should it ever get away, it plagues nobody for longer


def agent(name: str, source: str, **facts: int) -> str:
    """Return the settings of an agent that is a Python script; it ends itself after a minute, whatever the script does."""
    more = "".join(f"{key} = {value}\n" for key, value in facts.items())
    argv = json.dumps([sys.executable, "-S", "-c", DEADLINE + source])
    return f'\n[agents.{name}]\ncli = "command"\nargv = {argv}\n{more}'


@dataclass
class Yard:
    """A house with its workers; everything in it is gone when the test is over."""

    house: House
    workers: list[Background] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.house.home

    @cached_property
    def made(self) -> Services:
        return self.house.made()

    def loopy(self, *words: str, stdin: str = "") -> Said:
        return self.house.loopy(*words, stdin=stdin)

    def hire(self, *argv: str) -> Background:
        """Start a worker process; it ends with us."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("LOOPY_")}
        program = argv or ("-P", "-m", "workers", "--ephemeral")
        log = self.house.repo.parent / f"worker-{len(self.workers)}.log"
        worker = background.start([sys.executable, *program], {**env, "LOOPY_HOME": str(self.home)}, log)
        self.workers.append(worker)
        return worker

    def file(self, title: str, agent: str = "", repo: Path | None = None) -> str:
        return file_and_start(self.made, title, repo or self.house.repo, assignee=agent).id

    def run(self, run_id: str) -> Run:
        with self.made.graph.read() as tx:
            found = tx.runs.get(run_id)
        assert found is not None
        return found

    def attempts(self, run_id: str) -> list[Tried]:
        with self.made.graph.read() as tx:
            return [Tried(failure=a.failure, detail=a.detail) for a in tx.runs.attempts(run_id) if a.failure]

    def until(self, holds: Callable[[], object], what: str, patience_s: float = 60.0) -> float:
        try:
            return wait_until(holds, what, patience_s)
        except AssertionError as error:
            logs = [p.read_text(errors="replace")[-1500:] for p in self.house.repo.parent.glob("worker-*.log")]
            raise AssertionError("\n".join([str(error), *logs])) from error

    def until_ended(self, *run_ids: str, patience_s: float = 60.0) -> float:
        return self.until(lambda: all(self.run(r).state is RunState.ENDED for r in run_ids), "ended", patience_s)

    def until_said(self, run_id: str, word: str) -> None:
        """Wait until the agent of the run has said the word."""
        self.until(lambda: any(word in e.text for e in self.made.graph.events(0, run_id, 10_000)), f"said {word}")

    def came_to(self, run_id: str) -> tuple[str, str]:
        run = self.run(run_id)
        return str(run.verdict), run.reason

    def close(self) -> None:
        for worker in self.workers:
            worker.stop(patience_s=8.0)
        if "made" in self.__dict__ and "graph" in self.made.__dict__:  # to ask for it would make it
            self.made.graph.close()


def assert_whole(yard: Yard, runs: int) -> None:
    """The file is sound, no event is missing, and each ended run has evidence and its one receipt in a chain."""
    with yard.made.graph.read() as tx:
        ask = tx.connection.exec_driver_sql
        assert ask("PRAGMA integrity_check").scalar() == "ok"
        rows = ask("SELECT run, seq, previous, digest FROM receipt ORDER BY seq").all()
        assert len({row[0] for row in rows}) == len(rows) == runs
        assert [row[1] for row in rows] == list(range(1, runs + 1))
        assert [row[2] for row in rows][1:] == [row[3] for row in rows][:-1]
        versions = ask("SELECT run, version FROM event WHERE version IS NOT NULL ORDER BY id").all()
        for run in {row[0] for row in versions}:
            seen = [row[1] for row in versions if row[0] == run]
            assert seen == list(range(seen[0], seen[0] + len(seen))), run


def alike(path: Path) -> str:
    """Return what SQLite itself says of a file."""
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def marked(home: Path, run_id: str) -> list[int]:
    """Return the processes that live and carry the mark of this home's run: what an agent has left behind."""
    found = []
    for process in psutil.process_iter():
        try:
            env = process.environ()
            ours = env.get("LOOPY_RUN") == run_id and env.get("HOME", "").startswith(str(home))  # its scratch home
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


@contextmanager
def tmpfs(at: Path, options: str) -> Iterator[Path]:
    """Mount a small file system; skip where that is not permitted."""
    at.mkdir(mode=0o700, parents=True, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", at], capture_output=True)
    if done.returncode:
        pytest.skip(f"mounting a small file system is not permitted here: {done.stderr.decode().strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


PASSED, FAILED = str(Verdict.PASSED), str(Verdict.FAILED)
