"""`loopy demo`: the whole loop in a scratch home."""

from __future__ import annotations

import click

from loopy.cli import options


@click.command()
@click.option("--agent", default="", help="A CLI of the catalogue that is to do the second ticket for real.")
@options.example("loopy demo", "loopy demo --agent claude")
def demo(agent: str) -> int:
    """Take four tickets through the real stack in a scratch home, and verify their four receipts.

    A worker is killed on the way. Exit code 0 only when all of it held.
    """
    from loopy.demo.run import main

    return main(agent=agent)
