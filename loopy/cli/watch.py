"""`loopy watch`: a run told live, from its start to its end."""

from __future__ import annotations

import click

from loopy.cli import options


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--from-start/--tail", default=True, show_default=True, help="Tell what was before, or only what comes.")
@click.option("--quiet", is_flag=True, help="Leave out what the agent prints and thinks.")
@options.as_lines
@options.example("loopy watch LP-1.1", "loopy watch LP-1 --tail --json")
def watch(run_id: str, from_start: bool, quiet: bool, as_json: bool) -> None:
    """Follow a run, from its start to its end; Ctrl-C stops watching, never the run.

    A ticket's id stands for its newest run. Exit code 0 when the run has ended, however it ended.
    """
    from loopy.cli.home import open_home, run_named
    from loopy.cli.show import Show
    from loopy.store.board import newest_event

    made = open_home()
    with made.graph.read() as tx:
        run = run_named(tx, run_id)
        after = 0 if from_start else newest_event(tx)
    Show(made, as_json=as_json, loud=not quiet).follow(run, after)
