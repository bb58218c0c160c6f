"""The home as commands use it: its services, the person at the keyboard, workers that live, runs and repositories by name."""

from __future__ import annotations

import re
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


def sandbox_grade(made: Services) -> str:
    """Return how commands are boxed in by the settings of this home: "full", "fs-only" or "none"."""
    from loopy.sandbox.choose import choose_sandbox

    backend = made.settings.sandbox.backend
    return choose_sandbox("none" if backend == "auto" else backend).grade


def tell_sandbox(made: Services) -> None:
    """Say aloud, where runs are shown, that nothing boxes them in; say nothing where something does."""
    if sandbox_grade(made) == "none":
        echo(f"{ink(NO_SANDBOX, 'alarm')}{ink(': agents and checks run with your rights', 'quiet')}")


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
