"""`loopy doctor`: looks at the house and says what to mend, and how."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.damage import disk_fault, told
from loopy.cli.paper import echo, emit, ink, line, table
from loopy.domain.counted import counted
from loopy.domain.errors import LoopyError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.queue.probe import Finding

LITTLE_DISK, LOW_DISK = 1 << 30, 5 << 30
OLDEST_GIT = (2, 38)  # `git merge-tree --write-tree`, which a rebase needs
FIXED_SQLITE = (3, 51, 3)


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that was looked at: ok, warn or fail, and what to do when it is not ok."""

    name: str
    state: str
    text: str
    fix: str = ""


SELF = "`loopy doctor` looks at the rest"
PERSISTENCE = "broker persistence"
NAMES = {"_database": "work graph", "_key": "signing key"}
MARKS = {"ok": ("✓", "good"), "warn": ("!", "need"), "fail": ("✗", "bad")}


@click.command()
@options.as_json
@options.example("loopy doctor")
def doctor(as_json: bool) -> int:
    """Look at the house, and say what to mend and how.

    Home, database, broker, git, workers, agents, sandbox, disk and key. Exit code 1 when one of them fails.
    """
    signs = list(look())
    failed = any(sign.state == "fail" for sign in signs)
    if as_json:
        emit({"ok": not failed, "signs": [asdict(sign) for sign in signs]})
        return int(failed)
    show(signs)
    return int(failed)


def show(signs: Sequence[Sign]) -> None:
    """Print one line for each sign, and below it what mends it."""
    rows = [((MARKS[s.state][0], MARKS[s.state][1]), (s.name, "strong"), line(s.text)) for s in signs]
    for row, sign in zip(table(rows), signs, strict=True):
        echo(row)
        if sign.fix:
            echo(f"   {ink(f'→ {line(sign.fix)}', MARKS[sign.state][1] if sign.state != 'ok' else 'quiet')}")


def look() -> Iterator[Sign]:
    """Yield every sign; one that cannot be read is a sign itself."""
    from loopy.cli.home import open_home

    try:
        made = open_home()
    except LoopyError as error:
        yield Sign(_setting(error), "fail", f"{error.where}: {error.what}", error.hint)
        yield from _git()
        return
    graph = True
    for part in PARTS:
        name = NAMES.get(part.__name__, part.__name__.strip("_"))
        if not graph and part in OF_THE_GRAPH:
            yield Sign(name, "warn", "cannot be told without the work graph")
            continue
        try:
            yield from part(made)
        except LoopyError as raised:
            graph = graph and part is not _database
            found = told(raised)
            yield Sign(name, "fail", f"{found.where}: {found.what}", found.hint.replace(f"; {SELF}", ""))
        except OSError as error:
            yield Sign(name, "fail", str(error))


def _setting(error: LoopyError) -> str:
    """Return the sign's name for settings that cannot be used: the part of the house that they are about."""
    words = ("broker", "database", "home", "agents", "policy", "sandbox")
    return next((word for word in words if word in error.where.rpartition(": ")[2].lower()), "settings")


def _home(made: Services) -> Iterator[Sign]:
    home = made.settings.home
    fault, fix = disk_fault(home) or ("", "")
    where = f"{home} (from {made.settings.sources.get('home', 'default')}), mode {_mode(home)}"
    yield Sign("home", "fail" if fault else "ok", f"{where}: {fault}" if fault else where, fix)
    if made.settings.file.exists():
        yield Sign("settings", "ok", str(made.settings.file))
    else:
        yield Sign("settings", "ok", f"no {made.settings.file}: all defaults", "`loopy init` writes a first one")

    if os.geteuid() == 0:
        yield Sign(
            "user",
            "warn",
            "this is root: without a sandbox an agent may do anything, and in one it is root to the kernel",
            "run Loopy as a plain user",
        )


def _mode(path: os.PathLike[str]) -> str:
    return f"{stat.S_IMODE(os.stat(path).st_mode):04o}"


def _database(made: Services) -> Iterator[Sign]:
    import sqlite3

    from loopy.settings.model import shown
    from loopy.store.board import tickets_in_all

    with made.graph.read() as tx:
        many = tickets_in_all(tx)
    if made.graph.path is None:
        yield Sign("work graph", "ok", f"{shown(made.settings.database_url)}, {counted(many, 'ticket')}")
        return
    size = made.graph.path.stat().st_size
    yield Sign("work graph", "ok", f"{made.graph.path}, {counted(many, 'ticket')}, {size / (1 << 20):.1f} MiB")
    text = f"SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < FIXED_SQLITE:
        text += ": its WAL-reset bug (fixed in 3.51.3) is avoided, one process at a time checkpoints"
    yield Sign("SQLite", "ok", text)


def _broker(made: Services) -> Iterator[Sign]:
    from loopy.queue.probe import probe

    yield from map(broker_sign, probe(made.broker_url))


def broker_sign(found: Finding) -> Sign:
    """Return the sign of a finding; what cannot lose anything only warns, for a message is no more than a doorbell."""
    if found.name == PERSISTENCE and found.ok is False:
        return Sign(found.name, "warn", f"{found.text}: no work can be lost, the work graph has it all", found.fix)
    return Sign(found.name, {True: "ok", False: "fail", None: "warn"}[found.ok], found.text, found.fix)


def _git(_: object = None) -> Iterator[Sign]:
    from loopy.git.runner import Git

    try:
        said = Git().run(["version"], Path(tempfile.gettempdir())).out.decode("utf-8", "replace").strip()
    except LoopyError as error:
        yield Sign("git", "fail", error.what, "install git")
        return
    numbers = tuple(int(n) for n in re.findall(r"\d+", said)[:2])
    old = numbers < OLDEST_GIT
    fix = f"install git {'.'.join(map(str, OLDEST_GIT))} or later" if old else ""
    yield Sign("git", "fail" if old else "ok", said, fix)


def _workers(made: Services) -> Iterator[Sign]:
    from loopy.cli.home import living_workers
    from loopy.store.board import counts

    alive = living_workers(made)
    with made.graph.read() as tx:
        waiting = {str(state): n for state, n in counts(tx).items() if n}
    work = ", ".join(f"{n} {state}" for state, n in waiting.items()) or "no run is under way"
    if alive:
        yield Sign("workers", "ok", f"{', '.join(f'{w.host}:{w.pid}' for w in alive)}; {work}")
    else:
        yield Sign("workers", "warn" if waiting else "ok", f"none is up; {work}", "loopy up" if waiting else "")


def _agents(made: Services) -> Iterator[Sign]:
    from loopy.cli.agents import looked_at

    found = looked_at(made)
    for each in found:
        if each["healthy"]:
            cooling = f", cooling until {each['cooling_until']:%Y-%m-%d %H:%M} UTC" if each["cooling_until"] else ""
            yield Sign(f"agent {each['name']}", "ok", f"{each['cli']} {each['version']}".strip() + cooling)
        else:
            yield Sign(f"agent {each['name']}", "warn", each["reason"], "nothing is routed to it until then")
    if not found:
        yield Sign("agents", "warn", "there are none yet", "loopy agent create claude --cli claude")


def _sandbox(made: Services) -> Iterator[Sign]:
    from loopy.cli.home import sandbox_lack
    from loopy.sandbox.bubblewrap import Bubblewrap

    held = made.sandbox.held
    if lack := sandbox_lack(made):
        yield Sign("sandbox", "fail", f"{lack.what}: every run is refused", lack.fix)
    elif held.grade == "none":
        yield Sign("sandbox", "warn", f"{held.words}; every receipt says so", _unboxed(made))
    elif isinstance(made.sandbox, Bubblewrap) and made.sandbox.nests:
        text = f"{held.words}; this release cannot forbid further namespaces inside"
        yield Sign("sandbox", "warn", text, "install bubblewrap 0.8 or later")
    else:
        yield Sign("sandbox", "ok", f"{held.words}; `true` was run in it just now")


def _unboxed(made: Services) -> str:
    """Return what to do about running without a sandbox: less of it, or what would have to be mended."""
    from loopy.bootstrap.services import sandbox_asked
    from loopy.sandbox.choose import Lacking, look_here

    found = look_here(sandbox_asked(made.settings, made.env))
    if isinstance(found, Lacking):
        return f"{found.why}: {found.fix}"
    return f'bubblewrap works here: take sandbox = "none" out of {made.settings.file}'


def _disk(made: Services) -> Iterator[Sign]:
    free = shutil.disk_usage(made.settings.home).free
    state = "fail" if free < LITTLE_DISK else "warn" if free < LOW_DISK else "ok"
    fix = "" if state == "ok" else f"free some space below {made.settings.work}"
    yield Sign("disk", state, f"{free / (1 << 30):.1f} GiB free", fix)


def _key(made: Services) -> Iterator[Sign]:
    from loopy.receipts.keys import KEY_NAME, load_or_make

    path = made.settings.keys / KEY_NAME
    if not path.exists():
        yield Sign("signing key", "ok", f"{path} will be made at the first start of a worker")
        return
    key = load_or_make(made.settings.keys, made.install_id)
    yield Sign("signing key", "ok", f"{key.fingerprint}, mode {_mode(path)}")


OF_THE_GRAPH = (_workers, _agents)
PARTS: tuple[Callable[[Services], Iterator[Sign]], ...] = (
    _home, _database, _broker, _git, _workers, _agents, _sandbox, _disk, _key,
)  # fmt: skip
