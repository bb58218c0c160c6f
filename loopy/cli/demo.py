"""`loopy demo`: the whole loop in a scratch home."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import click

from loopy.cli import options
from loopy.domain.errors import NotFoundError
from loopy.domain.events import Event

COLUMN = 10


@click.command()
@click.option("--agent", default="", help="A CLI of the catalogue that is to do the second ticket for real.")
@options.example("loopy demo", "loopy demo --agent claude")
def demo(agent: str) -> int:
    """Take four tickets through the real stack in a scratch home.

    A worker is killed on the way, and the four receipts are verified.

    Exit codes: 0 all of it held, 1 something did not, 2 the agent is unknown or not installed, and nothing was started.
    """
    from loopy.cli.paper import echo, ink
    from loopy.demo.run import main

    _demand(agent)
    return main(agent=agent, say=lambda text, name: echo(ink(text, name)), tell=teller())


def _demand(name: str) -> None:
    """Raise NotFoundError or RefusedError for a CLI that cannot be started here."""
    if not name:
        return
    from loopy.agents.catalogue import load_catalog
    from loopy.cli.installed import demand_one
    from loopy.domain.agent import Agent
    from loopy.domain.tables import suggestion

    catalog = load_catalog()  # of the scratch home, which has no entries of its own
    known = [entry for entry, spec in catalog.items() if spec.detect.bin]
    if name not in known:
        hint = suggestion(name, known, "CLIs")
        raise NotFoundError("--agent", f"the catalogue has no CLI '{name[:40]}'", hint=hint)
    demand_one([Agent(name=name, cli=name)], catalog, os.environ.get("PATH", ""))


def teller() -> Callable[[Event], Iterator[tuple[str, str]]]:
    """Return what tells every run's events, each line led by its run and its step."""
    from loopy.cli.paper import line
    from loopy.cli.story import Teller

    tellers: dict[str, Teller] = {}

    def tell(event: Event) -> Iterator[tuple[str, str]]:
        for told in tellers.setdefault(event.run, Teller()).tell(event):
            yield f"{event.run}  {told.label:<{COLUMN}}{told.text}", told.ink
        if event.name == "run.ended":
            verdict = str(event.facts.get("verdict"))
            reason = line(str(event.facts.get("reason") or ""))
            yield f"{event.run}  {verdict:<{COLUMN}}{reason}".rstrip(), "good" if verdict == "PASSED" else "strong"

    return tell
