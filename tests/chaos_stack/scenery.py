"""The scenery of a seed: a scratch home, a small repository, a bare target with the referee's hook, agents by script."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from loopy.bootstrap.desk import desk
from loopy.bootstrap.services import Services, services
from tests.cli.support import git, make_repo

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
LEASE_S = 5  # the least that settings allow
MANNERS = ("plain", "clumsy", "stubborn", "limited", "stray", "rough")
MEMORY = Path("/dev/shm")

CHECK = '[[checks]]\nname = "there"\nargv = ["test", "-f", "x.txt"]\n'
SETTINGS = """\
lease_s = {lease}

[sandbox]
backend = "none"

[policy]
sandbox = "none"
turns = 3
approve = "{approve}"

[ship]
target = "{target}"
"""
AGENT = """
[agents.{name}]
cli = "command"
argv = ["sh", "{script}", "{name}", "{seconds:.1f}"]
scripted = true
fallback = [{fallback}]
"""


@dataclass(frozen=True)
class Scene:
    """A folder with all that a seed needs; what shipped is told by `landed.log` in it."""

    folder: Path
    servers: Mapping[str, str] = field(default_factory=dict)  # the variables that name them

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def target(self) -> Path:
        return self.folder / "target.git"

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of every process of the home."""
        kept = {k: os.environ[k] for k in ("LANG", "LC_ALL", "TZ") if k in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
        env |= {"LOOPY_HOME": str(self.home), "HOME": str(self.folder)}
        return env | dict(self.servers)

    @cached_property
    def made(self) -> Services:
        return services(self.env)

    def close(self) -> None:
        if "bell" in self.made.__dict__:
            self.made.bell.close()
        self.made.graph.close()


def make_template(folder: Path) -> Path:
    """Make the home, the repository and the target once; every seed gets a copy."""
    make_repo(folder / "repo", {"README": "A small thing.\n", "loopy.toml": CHECK})
    git(folder, "clone", "--quiet", "--bare", "repo", "target.git")
    hook = folder / "target.git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    shutil.copy(HERE / "landed.sh", hook)
    hook.chmod(0o755)
    shutil.copy(HERE / "agent.sh", folder)
    (folder / "home").mkdir(mode=0o700)
    (folder / "home" / "loopy.toml").write_text('[sandbox]\nbackend = "none"\n')
    scene = Scene(folder)
    desk(scene.made, "nobody")  # the keys
    scene.close()
    return folder


def set_scene(template: Path, name: str, rng: random.Random, servers: Mapping[str, str] | None = None) -> Scene:
    """Return a fresh copy of the template in memory, where there is room, with settings by seed."""
    place = MEMORY if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * 10**9 else None
    folder = Path(tempfile.mkdtemp(prefix=f"loopy-stack-{name}-", dir=place))
    shutil.copytree(template, folder, dirs_exist_ok=True)
    scene = Scene(folder, servers or {})
    if "LOOPY_DATABASE_URL" in scene.servers:
        (scene.home / "loopy.db").unlink()
    text = SETTINGS.format(lease=LEASE_S, approve=rng.choice(("asked", "asked", "always")), target=scene.target)
    for manner in MANNERS:
        follower = '"plain"' if manner == "limited" else ""
        seconds = rng.uniform(0.1, 1.5)
        text += AGENT.format(name=manner, script=folder / "agent.sh", seconds=seconds, fallback=follower)
    (scene.home / "loopy.toml").write_text(text)
    if rng.random() < 0.3:
        (folder / "slow").touch()
    return scene


def landed(scene: Scene) -> Mapping[str, list[str]]:
    """Return what the target took, ref by ref, by the hook's log; a ref that is there was taken at least once."""
    found: dict[str, list[str]] = {}
    log = scene.folder / "landed.log"
    for line in log.read_text().splitlines() if log.exists() else ():
        ref, _, new = line.split()
        found.setdefault(ref, []).append(new)
    for line in git(scene.target, "for-each-ref", "--format=%(refname) %(objectname)", "refs").splitlines():
        ref, now = line.split()
        if ref.startswith(("refs/heads/loopy/", "refs/loopy/")) and now not in found.get(ref, ()):
            found.setdefault(ref, []).append(now)  # its hook was killed before it could write
    return found
