"""`loopy agents test --live`: four small turns of an installed CLI with the operator's own login."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli.agents import operator_of
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.errors import RefusedError

if TYPE_CHECKING:
    from loopy.agents.spec import Spec
    from loopy.agents.trials import Trial
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent

MARKS = {True: ("✓", "good"), False: ("✗", "bad"), None: ("·", "quiet")}


def live_turns(made: Services, spec: Spec, agent: Agent, *, yes: bool, as_json: bool) -> int:
    """Try whether it edits, resumes, begins anew, changes nothing as a reader and leaves nothing alive; return the exit code."""
    from loopy.agents.catalogue import load_catalog
    from loopy.agents.drivers import Drivers
    from loopy.agents.trials import Trials
    from loopy.sandbox.none import NoSandbox

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
