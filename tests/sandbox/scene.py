"""A host with something to steal, and a box on it with an agent that does whatever it is told."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from loopy.ports import Reach, Sandbox
from loopy.process.capture import Captured, capture
from loopy.process.command import Command
from loopy.sandbox.bubblewrap import Bubblewrap
from loopy.sandbox.choose import Asked, choose_sandbox

SECRET = "canary-of-the-operator"
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
NOBODY = 65534


def plain() -> Sequence[str]:
    """Return the words that make a command a plain user's; skip where we cannot become one."""
    if os.geteuid() != 0:
        pytest.skip("this is a plain user already")
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv, to become a plain user")
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


@dataclass
class Scene:
    """The operator's home with a key in it, Loopy's home with all that is in it, and a run's own folders."""

    root: Path
    box: Sandbox
    before: Sequence[str] = ()  # in front of the box: who it is started as
    env: dict[str, str] = field(default_factory=lambda: dict(ENV))
    trusted: bool = True  # the operator named the program

    @property
    def home(self) -> Path:
        return self.root / "operator"

    @property
    def loopy(self) -> Path:
        return self.home / ".loopy"

    @property
    def tree(self) -> Path:
        return self.loopy / "work/LP-1.1/tree"

    @property
    def scratch(self) -> Path:
        return self.loopy / "runs/LP-1.1/agent"

    @property
    def key(self) -> Path:
        return self.home / ".ssh/id_ed25519"

    def command(self, *argv: str, change: Callable[[Sequence[str]], Sequence[str]] = tuple, **fields: Any) -> Command:
        """Return the boxed command; `change` may take a wall out."""
        objects = self.loopy / "repos/x.git/objects"
        reach = Reach(self.tree, (self.scratch,), (objects,), self.env, opens_program=self.trusted)
        words = change(self.box.wrap(argv, reach))
        said = {"cwd": self.tree, "env": self.env, "wall_s": 30.0, "kill_grace_s": 2.0, "boxed": self.box.keeper}
        return Command(argv=(*self.before, *words), **{**said, **fields})

    def do(self, script: str, change: Callable[[Sequence[str]], Sequence[str]] = tuple) -> Captured:
        """Let the agent do what the script says; what went wrong in it is what the test is about."""
        done = capture(self.command("/bin/sh", "-c", script, change=change))
        assert done.exit.code is not None, (done.exit, done.stderr)
        assert b"bwrap: " not in done.stderr, done.stderr
        return done

    def steal(self, script: str, change: Callable[[Sequence[str]], Sequence[str]] = tuple) -> str:
        """Return what the agent got to see."""
        return self.do(script, change).stdout.decode()


def furnish(root: Path, before: Sequence[str] = ()) -> Scene:
    """Build the scene below `root`, for whoever will be in the box."""
    scene = Scene(root, choose_sandbox(Asked(path=os.environ["PATH"])), before)
    assert isinstance(scene.box, Bubblewrap)
    scene.box = replace(scene.box, home=scene.home, shut=(scene.loopy,))
    texts = {
        scene.key: SECRET,
        scene.home / ".netrc": SECRET,
        scene.loopy / "loopy.db": SECRET,
        scene.loopy / "broker.db": SECRET,
        scene.loopy / "loopy.toml": SECRET,
        scene.loopy / "keys/ed25519.pem": SECRET,
        scene.loopy / "runs/LP-1.1/git/config": SECRET,
        scene.loopy / "runs/LP-1.1/run.lock": SECRET,
        scene.loopy / "runs/LP-9.1/transcript-1-1.log": SECRET,
        scene.loopy / "work/LP-9.1/tree/a.txt": SECRET,
        scene.loopy / "repos/x.git/config": SECRET,
        scene.loopy / "repos/x.git/objects/info/packs": "an object",
        scene.tree / ".git/config": "[core]\n",
        scene.tree / ".git/hooks/README": "none\n",
        scene.tree / "a.txt": "hello\n",
        scene.scratch / "home/.keep": "",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if before:
        for path in (root, *root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return scene


@contextmanager
def sentinel(env: dict[str, str] | None = None, before: Sequence[str] = ()) -> Iterator[int]:
    """Give the pid of a process of the host that an agent should neither see nor touch."""
    process = subprocess.Popen([*before, "sleep", "60"], env={**ENV, **(env or {})})
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def alive(mark: str) -> list[int]:
    """Return the pids of this host whose command line holds the mark, ours excepted."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with suppress(OSError):
                if mark.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                    found.append(int(name))
    return found


def until(true: Callable[[], Any], seconds: float = 15.0) -> Any:
    give_up = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.02)
    return found
