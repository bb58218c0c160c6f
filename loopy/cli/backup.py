"""`loopy backup` and `loopy restore`: the work graph in one file, and back in its place."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.counted import counted
from loopy.domain.errors import RefusedError

if TYPE_CHECKING:
    from loopy.settings.model import Settings
    from loopy.store.backup import Copy

BESIDE = ("loopy.toml", "install-id", "keys", "agents", "runs")  # of the home; the rest is made anew


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite the file.")
@options.as_json
@options.example("loopy backup graph-monday.db")
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Copy the work graph into one file, while workers work.

    The copy is the graph as it was at one moment; it is looked through before it gets its name, and has mode 0600.
    What else to copy is said at the end. A graph on Postgres is refused: `pg_dump` does it.
    """
    from loopy.cli.home import open_home
    from loopy.store.backup import backup as copy

    settings = open_home().settings
    made = copy(_file(settings, "pg_dump --format=custom --file"), file, force=force)
    beside = [str(settings.home / name) for name in BESIDE if (settings.home / name).exists()]
    if as_json:
        emit(_facts(made) | {"copy_too": beside})
        return
    echo(f"{ink('✓', 'good')} {_told(made)}")
    if beside:
        echo(f"copy too: {line(shlex.join(beside))}")
        echo(ink("keys/ holds the signing key: keep that copy as secret as the home", "quiet"))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.as_json
@options.example("loopy restore graph-monday.db")
def restore(file: Path, as_json: bool) -> None:
    """Put a backup in the work graph's place.

    Refused while a worker is up, while any process has the graph open, and for a file that is no intact work graph. The
    old graph stays beside the new one under a name with the time; nothing is deleted. Runs that were under way in the
    backup go on; what happened since it was made is unknown to it.
    """
    from datetime import UTC, datetime

    from loopy.cli.home import open_home
    from loopy.store.backup import restore as put_back

    house = open_home()
    settings = house.settings
    database = _file(settings, "pg_restore --dbname")
    made, kept = put_back(database, file, datetime.now(UTC), lambda: _demand_idle(settings))
    with house.graph.write(full=True) as tx:  # the first look at it migrates an older one
        tx.fleet.audit(settings.identity, "graph.restored", str(database), {"from": str(file.absolute())})
    if as_json:
        emit(_facts(made) | {"from": file.absolute(), "kept": kept})
        return
    echo(f"{ink('✓', 'good')} {_told(made)}")
    if kept:
        echo(f"the old one is kept: {line(str(kept))}")


def _file(settings: Settings, command: str) -> Path:
    """Return the graph's file. Raises RefusedError for a graph that is not in a file, naming the command that serves it."""
    from loopy.settings.model import shown
    from loopy.store.engines import file_of

    found = file_of(settings.database_url)
    if found is None:
        hint = f"`{command}` does this for Postgres"
        raise RefusedError(shown(settings.database_url), "the work graph is on a server, not in a file", hint=hint)
    return found


def _demand_idle(settings: Settings) -> None:
    """Raise RefusedError while a worker of this home lives; its kernel lock says so, the graph may be damaged."""
    from loopy.process.alive import is_dead

    names = [p.name for p in settings.alive.iterdir()] if settings.alive.is_dir() else []
    living = [name for name in names if not name.startswith(".") and not is_dead(settings.alive, name)]
    if living:
        raise RefusedError("work graph", f"{counted(len(living), 'worker')} up", hint="stop them first, with Ctrl-C")


def _facts(made: Copy) -> dict[str, object]:
    return {"path": made.path, "size_bytes": made.size_bytes, "schema": made.schema, "tickets": made.tickets}


def _told(made: Copy) -> str:
    size = f"{made.size_bytes / (1 << 20):.1f} MiB"
    return f"{line(str(made.path))}: {counted(made.tickets, 'ticket')}, schema {made.schema}, {size}, intact"
