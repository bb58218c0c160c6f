"""`loopy watch`: a run told live, from its start to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from loopy.cli import options

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.cli.show import Show
    from loopy.domain.run import Run

LOOK_S = 3.0


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--from-start/--tail", default=True, show_default=True, help="Tell what was before, or only what comes.")
@click.option("--quiet", is_flag=True, help="Leave out what the agent prints and thinks.")
@options.as_lines
@options.example("loopy watch LP-1.1", "loopy watch LP-1 --tail --json")
def watch(run_id: str, from_start: bool, quiet: bool, as_json: bool) -> None:
    """Follow a run, from its start to its end.

    Ctrl-C stops watching, never the run. A ticket's id stands for its newest run. Exit code 0 when the run has ended, however it ended.
    """
    from loopy.cli.home import open_home, run_named
    from loopy.cli.show import Show
    from loopy.store.board import newest_event

    made = open_home()
    with made.graph.read() as tx:
        run = run_named(tx, run_id)
        after = 0 if from_start else newest_event(tx)
    show = Show(made, as_json=as_json, loud=not quiet)
    show.follow(run, after, Lookout(made, show))


class Lookout:
    """Says once that nobody is there to work, when a run could go on."""

    def __init__(self, made: Services, show: Show) -> None:
        self._made, self._show = made, show
        self._next, self._said = 0.0, False

    def __call__(self, now: Run) -> None:
        """Look every few seconds."""
        from loopy.cli.home import living_workers

        if self._said or now.ended_at is not None or now.wait in ("approval", "question"):
            return
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_S
        if not living_workers(self._made):
            self._said = True
            self._show.say("no worker is up; it goes on when one is: loopy up")
