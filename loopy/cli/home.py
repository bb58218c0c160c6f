"""The home as commands use it: its services, the person at the keyboard, workers that live, runs and repositories by name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli.paper import NO_SANDBOX, echo, ink, line
from loopy.cli.reader import demand, find
from loopy.cli.words import demand_text
from loopy.domain.errors import NotFoundError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.domain.run import Run
    from loopy.engine.books import Worker
    from loopy.sandbox.choose import Lacking
    from loopy.settings.model import Settings
    from loopy.store.graph import SqlTx

RUN = re.compile(r"^(?:LP-)?(\d{1,15})\.(\d{1,9})$", re.IGNORECASE)
NO_WORKER = "no worker is up: `loopy up`"
ALL = "`loopy board --all` shows what there is"
TICKET = re.compile(r"^(?:LP-)?(\d{1,15})$", re.IGNORECASE)


def open_home() -> Services:
    """Return the services of this process's home; what they have opened is closed with the command."""
    from loopy.bootstrap.services import services

    made = services()
    if (command := click.get_current_context(silent=True)) is not None:
        command.call_on_close(lambda: _close(made))
    return made


def _close(made: Services) -> None:
    for name in ("bell", "graph"):
        if name in made.__dict__:  # only what was made: to ask for it would make it
            getattr(made, name).close()


def person(made: Services) -> str:
    """Return who is at the keyboard, as approvals and the audit log name them."""
    return made.settings.identity


def living_workers(made: Services) -> list[Worker]:
    """Return the workers that are up: their row is open and, on this host, their kernel lock is held."""
    import socket

    from loopy.process.alive import is_dead

    host = socket.gethostname()
    with made.graph.read() as tx:
        rows = tx.fleet.workers()
    return [w for w in rows if w.host != host or not is_dead(made.settings.alive, w.id)]


def worker_hint(made: Services) -> str:
    """Return what to do when runs could go on and nobody is there to work, else ""."""
    from loopy.domain.states import RunState, Wait
    from loopy.store.board import counts

    with made.graph.read() as tx:
        many = counts(tx)
        can_go = any(many[state] for state in (RunState.READY, RunState.QUEUED, RunState.RUNNING)) or (
            many[RunState.WAITING] > 0
            and any(r.wait not in (Wait.APPROVAL, Wait.QUESTION) for r in tx.runs.by_state(RunState.WAITING))
        )
    return NO_WORKER if can_go and not living_workers(made) else ""


@dataclass(frozen=True, slots=True)
class Lack:
    """Why no run of this home is started for want of a sandbox, and what to do."""

    what: str
    fix: str


def sandbox_lack(made: Services) -> Lack | None:
    """Return what is missing for the sandbox that the operator's policy asks for, None when it is there."""
    from loopy.domain.held import GRADES
    from loopy.sandbox.choose import Lacking

    asked, sandbox = made.settings.policy.sandbox, made.sandbox
    if GRADES.index(sandbox.held.grade) >= GRADES.index(asked):
        return None
    unboxed = f'if agents may run with your rights, write [policy] sandbox = "none" in {made.settings.file}'
    if isinstance(sandbox, Lacking):
        return Lack(f"the policy asks for '{asked}', and none works here: {sandbox.why}", f"{sandbox.fix}; {unboxed}")
    if sandbox.held.grade == "none":
        return Lack(f"the policy asks for '{asked}', and [sandbox] backend is 'none'", f'say "auto" there; {unboxed}')
    what = f"the policy asks for '{asked}', and this is what there is: {sandbox.held.words}"
    return Lack(what, f'if that will do, write [policy] sandbox = "{sandbox.held.grade}" in {made.settings.file}')


def first_settings(settings: Settings) -> tuple[str, Lacking | None]:
    """Return the text of a home's first loopy.toml, and why it lets agents run without a sandbox, if it does."""
    from loopy.bootstrap.services import sandbox_asked
    from loopy.sandbox.choose import Lacking, look_here
    from loopy.settings.write import starter_toml

    found = look_here(sandbox_asked(settings, os.environ))
    lacking = found if isinstance(found, Lacking) else None
    return starter_toml(boxed=lacking is None), lacking


def tell_lacking(lacking: Lacking | None, file: Path) -> None:
    """Say aloud that the home's first file lets agents run without a sandbox, why, and what to mend."""
    if lacking is not None:
        what = f": {line(lacking.why)}; {file} lets agents run with your rights until you mend it:"
        echo(f"  {ink(NO_SANDBOX, 'alarm')}{what}")
        echo(f"  {line(lacking.fix)}")


def sandbox_line(made: Services) -> str:
    """Return, inked, what boxes agents and checks in: red when nothing does, and that the network is open when it is."""
    from loopy.sandbox.choose import Lacking

    if isinstance(made.sandbox, Lacking):
        return f"{ink(NO_SANDBOX, 'alarm')}{ink(' works here, so no run is started: `loopy doctor`', 'quiet')}"
    if made.sandbox.held.grade == "none":
        return f"{ink(NO_SANDBOX, 'alarm')}{ink(': agents and checks run with your rights', 'quiet')}"
    return ink(line(made.sandbox.held.words), "quiet")


def tell_sandbox(made: Services) -> None:
    """Say, where runs are shown, what boxes them in; aloud when nothing does."""
    echo(sandbox_line(made))


def names_run(text: str) -> bool:
    """Whether the text is a run's id, or a ticket's with its prefix, which stands for its newest run."""
    return RUN.match(text) is not None or (TICKET.match(text) is not None and not text.isdigit())


def run_named(tx: SqlTx, text: str) -> Run:
    """Return the run of an id such as LP-12.3 or 12.3, or the newest one of a ticket's. Raises NotFoundError."""
    if match := RUN.match(text):
        found = tx.runs.get(f"LP-{int(match[1])}.{int(match[2])}")
        if found is None:
            raise NotFoundError("run", f"there is no run {text} in this home", hint=ALL)
        return found
    if not TICKET.match(text):
        raise NotFoundError("run", f"'{line(text, 60)}' is not a run's id", hint=f"ids look like LP-12.3; {ALL}")
    runs = tx.tickets.runs(text)
    if not runs and tx.tickets.get(text) is None:
        raise NotFoundError("run", f"there is no ticket {text} in this home, so it has no run", hint=ALL)
    if not runs:
        raise NotFoundError("run", f"{text} has no run yet", hint=f"`loopy ticket start {text}`")
    return runs[-1]


def repo_address(text: str) -> str:
    """Return a URL as it is, a folder as the top of the repository it lies in. Raises ConfigError."""
    from loopy.domain.repository import parse

    if not Path(text).expanduser().exists() and ("://" in text or re.match(r"^[^/\\]+:[^\\]", text)):
        parse(text)
        return text
    return demand_text(str(demand(Path(text), "--repo").top), "--repo")


def repo_here() -> str:
    """Return the repository that the current folder lies in, "" when it lies in none."""
    place = find(Path.cwd())
    return demand_text(str(place.top), "--repo") if place else ""
