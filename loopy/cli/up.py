"""`loopy up`: becomes the worker process."""

from __future__ import annotations

import os
import sys

import click

from loopy.cli import options

QUEUES = ("loop", "code", "checks", "control", "integrations")


@click.command()
@click.option("--beat/--no-beat", default=True, show_default=True, help="Fire schedules, too.")
@click.option("--concurrency", type=click.IntRange(2, 256), help="Threads; default: enough for the limits.")
@click.option("--queues", default="", metavar="A,B", help=f"Only these of: {', '.join(QUEUES)}.")
@options.as_lines
@options.example("loopy up", "loopy up --no-beat --queues code,checks")
def up(beat: bool, concurrency: int | None, queues: str, as_json: bool) -> None:
    """Run a worker with beat, until Ctrl-C.

    The first Ctrl-C claims nothing more and waits for what runs; the second stops it within seconds and hands it back,
    for the next worker to go on with. Nothing is ever deleted on stop. Exit code 0 after a clean stop.
    """
    words = ["--beat" if beat else "--no-beat"]
    words += ["--concurrency", str(concurrency)] if concurrency else []
    words += ["--queues", ",".join(chosen(queues))] if queues else []
    words += ["--json"] if as_json else []
    # -P: a folder called `workers` where the user stands must not be taken for ours
    os.execv(sys.executable, [sys.executable, "-P", "-m", "workers", *words])  # noqa: S606  (our own program)


def chosen(queues: str) -> list[str]:
    """Return the queues that were named. Raises UsageError for an unknown one."""
    names = [name.strip() for name in queues.split(",") if name.strip()]
    for name in names:
        if name not in QUEUES:
            raise click.UsageError(f"there is no queue '{name}'; known: {', '.join(QUEUES)}")
    return names
