"""The processes of a home: who works there, who starts them again, and who is below whom."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loopy.process import hunt
from loopy.process.hunt import Proc
from tests.chaos_stack.scenery import LEASE_S, Scene

UP = (sys.executable, "-m", "loopy", "up")
BEAT = (sys.executable, "-m", "celery", "--app", "workers.app", "beat", "--loglevel", "WARNING")
STOP_S = 25.0


@dataclass
class Post:
    """One place in the crew: the process that has it, or when the next one gets it."""

    name: str
    argv: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    frozen_until: float = 0.0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process else 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Crew:
    """A supervisor in a few lines: whoever died is started again a moment later, whoever was frozen wakes in time."""

    scene: Scene
    rng: random.Random
    posts: list[Post] = field(default_factory=list)
    started: int = 0

    @property
    def workers(self) -> list[Post]:
        return [p for p in self.posts if p.alive and p.argv[:4] == UP]

    @property
    def beats(self) -> list[Post]:
        return [p for p in self.posts if p.alive and p.argv == BEAT]

    def look(self) -> None:
        """Start who is due; let go on who was frozen long enough."""
        now = time.monotonic()
        for post in self.posts:
            if post.frozen_until and (now >= post.frozen_until or not post.alive):
                self.thaw(post)
            if post.process is not None and not post.alive:
                post.process, post.due = None, now + self.rng.uniform(0.0, 1.0)
            if post.process is None and now >= post.due:
                self._start(post)

    def _start(self, post: Post) -> None:
        self.started += 1
        with (self.scene.folder / f"{post.name}.log").open("ab") as log:
            post.process = subprocess.Popen(
                post.argv,
                env=self.scene.env,
                cwd=self.scene.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def freeze(self, post: Post) -> None:
        """Stop the process for two leases."""
        os.kill(post.pid, signal.SIGSTOP)
        post.frozen_until = time.monotonic() + 2 * LEASE_S

    def thaw(self, post: Post) -> None:
        if post.alive:
            os.kill(post.pid, signal.SIGCONT)
        post.frozen_until = 0.0

    def family(self, post: Post) -> list[Proc]:
        """Return every process below the post's own."""
        procs = {p.pid: p for p in hunt.scan(set())}
        return [procs[pid] for pid in hunt.descendants(procs, {post.pid})]

    def guards(self) -> list[Proc]:
        """Return the guards of all workers; each has its command right below it."""
        mine = {post.pid for post in self.workers}
        return [p for p in hunt.scan(set()) if p.ppid in mine and name_of(p.pid) == "loopy-guard"]

    def commands(self) -> list[Proc]:
        """Return what guards run: agents, checks, pushes."""
        guards = {guard.pid for guard in self.guards()}
        return [p for p in hunt.scan(set()) if p.ppid in guards]

    def stop(self) -> list[str]:
        """Ask everybody to end, and wait; return who did not, in words. Whoever is left is killed."""
        for post in self.posts:
            self.thaw(post)
            if post.alive:
                os.kill(post.pid, signal.SIGTERM)
        give_up, late = time.monotonic() + STOP_S, []
        for post in self.posts:
            if post.process is None:
                continue
            try:
                post.process.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                late.append(f"{post.name} did not end within {STOP_S:.0f} s of a TERM, though nothing ran")
                os.kill(post.pid, signal.SIGUSR1)  # Celery writes the stacks of all threads into the worker's log
                time.sleep(1)
        self.kill()
        return late

    def kill(self) -> None:
        """Kill whoever is left, with all below."""
        for post in self.posts:
            if post.alive and post.process is not None:
                for proc in self.family(post):
                    hunt.send(proc, signal.SIGKILL)
                post.process.kill()
                post.process.wait()


def name_of(pid: int) -> str:
    """Return the process's short name."""
    return hunt.slurp(f"/proc/{pid}/comm").decode(errors="replace").strip()


def words_of(pid: int) -> str:
    """Return the process's command line, cut."""
    return hunt.slurp(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()[:120]


def inhabitants(folder: Path) -> Iterator[Proc]:
    """Yield every process that knows the folder: by its environment, command line, current folder or an open file."""
    needle, me = os.fsencode(str(folder)), os.getpid()
    for proc in hunt.scan(set()):
        here = f"/proc/{proc.pid}"
        if proc.pid == me or name_of(proc.pid) == "redis-server":
            continue
        if any(needle in hunt.slurp(f"{here}/{file}") for file in ("environ", "cmdline")) or _holds(here, str(folder)):
            yield proc


def _holds(here: str, folder: str) -> bool:
    try:
        links = [f"{here}/cwd", *(f"{here}/fd/{fd}" for fd in os.listdir(f"{here}/fd"))]
    except OSError:
        return False
    for link in links:
        try:
            if os.readlink(link).startswith(folder):
                return True
        except OSError:
            continue
    return False
