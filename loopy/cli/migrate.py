"""`loopy migrate`: brings the work graph to the schema of this version."""

from __future__ import annotations

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, line


@click.command()
@click.option("--check", is_flag=True, help="Only look; exit 1 if there is something to do.")
@options.as_json
@options.example("loopy migrate --check", "loopy migrate")
def migrate(check: bool, as_json: bool) -> int:
    """Bring the work graph to the schema of this version.

    Every command does so by itself; this one says it, for an upgrade in steps. Stop the workers of the old version first.
    One process migrates, others wait. A newer schema is refused with exit code 3.
    """
    from loopy.cli.home import open_home
    from loopy.settings.model import shown
    from loopy.store import migrate as store
    from loopy.store.engines import file_of

    url = open_home().settings.database_url
    found = store.check(url, file_of(url))
    behind = found != store.HEAD
    if behind and not check:
        store.migrate(url, file_of(url))
    where = str(file_of(url) or shown(url))
    if as_json:
        emit({"graph": where, "from": found, "to": store.HEAD, "behind": behind, "done": behind and not check})
    else:
        way = f"schema {store.HEAD}"
        if behind:
            way = f"{'would go' if check else 'went'} from {f'schema {found}' if found else 'nothing'} to {way}"
        echo(f"{line(where)}: {way if behind else f'has {way}, nothing to do'}")
    return int(behind and check)
