"""`loopy demo`: the whole loop in a scratch home."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click

from loopy.cli import options
from loopy.domain.events import Event

COLUMN = 10


@click.command()
@click.option("--agent", default="", help="A CLI of the catalogue that is to do the second ticket for real.")
@options.example("loopy demo", "loopy demo --agent claude")
def demo(agent: str) -> int:
    """Take four tickets through the real stack in a scratch home.

    A worker is killed on the way, and the four receipts are verified. Exit code 0 only when all of it held.
    """
    from loopy.cli.paper import echo, ink
    from loopy.demo.run import main

    return main(agent=agent, say=lambda text, name: echo(ink(text, name)), tell=_teller())


def _teller() -> Callable[[Event], Iterator[tuple[str, str]]]:
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
