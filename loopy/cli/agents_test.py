"""`loopy agents test`: try an installed CLI for real, by a few small turns."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.agents import operator_of
from loopy.cli.agents_doctor import meant
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.errors import RefusedError

if TYPE_CHECKING:
    from loopy.agents.trials import Trial

MARKS = {True: ("✓", "good"), False: ("✗", "bad"), None: ("·", "quiet")}


@click.command("test")
@click.argument("name")
@click.option(
    "--drive", type=click.Choice(["print", "acp"]), default=None, help="How; default: as it is driven in runs."
)
@click.option("--yes", is_flag=True, help="Do not ask before tokens are spent.")
@options.as_json
@options.example("loopy agents test claude", "loopy agents test opencode --drive acp --yes")
def test(name: str, drive: str | None, yes: bool, as_json: bool) -> int:
    """Try an installed CLI for real, by four small turns in a scratch folder.

    Whether it edits a file, takes its session up again, begins anew for a session that it does not know, changes nothing
    as a reader, and leaves no process behind. NAME is an agent or an entry of the catalogue. The turns are made with your
    login and cost a few tokens. Exit code 1 when one of them did not hold.
    """
    from loopy.agents.catalogue import load_catalog
    from loopy.agents.drivers import Drivers
    from loopy.agents.trials import Trials
    from loopy.cli.home import open_home
    from loopy.sandbox.none import NoSandbox

    made = open_home()
    ((_, spec, agent),) = meant(made, (name,))
    agent = agent.model_copy(update={"drive": drive or agent.drive})
    if not yes:
        _ask(spec.name)
    driver = Drivers(load_catalog(made.settings.agents_dir), operator_of(made), NoSandbox(), made.clock)
    folder = Path(tempfile.mkdtemp(prefix="loopy-trial-"))
    found: list[Trial] = []
    try:
        for trial in Trials(spec, agent, driver, folder).all():
            found.append(trial)
            if not as_json:
                _show(trial)
    finally:
        failed = any(trial.good is False for trial in found)
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        emit({"ok": not failed, "trials": [asdict(trial) for trial in found]})
    elif failed:
        echo(ink(f"what it left: {folder}", "quiet"))
    return int(failed)


def _ask(program: str) -> None:
    if not sys.stdin.isatty():
        raise RefusedError("agents test", "spends tokens", hint="say --yes")
    click.confirm(f"{program} will do four small turns with your login, which costs a few tokens. Go on?", abort=True)


def _show(trial: Trial) -> None:
    mark = ink(*MARKS[trial.good])
    echo(
        f"{mark} {ink(trial.name, 'strong')}  {ink(f'{trial.seconds:.1f} s', 'quiet')}  {line(trial.said, 100)}".rstrip()
    )
