"""`loopy run`: files a ticket, sees to it that a worker is there, and follows the run to its receipt."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.exits import INTERRUPTED, NOT_PASSED
from loopy.cli.paper import echo, emit, ink
from loopy.domain.errors import ProcessError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.cli.show import Show
    from loopy.domain.run import Run
    from loopy.process.background import Background

MOST_WORKERS = 5  # ephemeral ones that are started for one run when they die
PUBLISH_S = 10.0
LOG_BYTES = 5_000_000


@click.command()
@click.argument("title")
@click.option("--body", default="", help="More than a title can say; `-` reads it from standard input.")
@click.option("--repo", default=".", show_default=True, help="Folder or URL.")
@click.option("--agent", default="", help="Who is to work on it; default: the route decides.")
@click.option("--priority", type=click.IntRange(0, 4), default=2, show_default=True, help="0 is the most urgent.")
@click.option("--no-failover", "alone", is_flag=True, help="At a limit wait for its reset; nobody else takes over.")
@click.option("--detach", is_flag=True, help="File and start it, and come back at once.")
@options.as_lines
@options.example(
    'loopy run "Fix the failing date parser" --repo . --agent claude', "loopy run 'Bump the year' --detach"
)
def run(title: str, body: str, repo: str, agent: str, priority: int, alone: bool, detach: bool, as_json: bool) -> int:
    """File a ticket and follow its run to the receipt.

    Where no worker is up, one is started for as long as this command runs. Ctrl-C stops following, never the run: it
    goes on with the workers that are up, or with the next one.

    Exit codes: 0 the run PASSED, 4 it ended otherwise, 130 interrupted; 2 and nothing is filed where a word is wrong, or
    where the agent's program is not installed and that of none of its successors is.
    """
    from loopy.cli.filing import demand_commit, demand_ready, file
    from loopy.cli.home import open_home, person
    from loopy.cli.installed import demand_installed

    made = open_home()
    demand_ready(made)
    demand_installed(made, agent)
    demand_commit(repo)
    ticket = file(made, title, body=body, repo=repo, agent=agent, priority=priority)
    started = made.intake.start(ticket.id, person(made), failover=not alone)
    if detach:
        return _detached(made, started, as_json)
    from loopy.cli.show import Show

    show = Show(made, as_json=as_json)
    crew = Crew(made, show)
    try:
        ended = show.follow(started, meanwhile=crew.look_after)
        crew.await_receipt(ended)
    except KeyboardInterrupt:
        return _interrupted(started, crew, as_json)
    finally:
        crew.stop()
    return 0 if ended.verdict == "PASSED" else NOT_PASSED


class Crew:
    """The workers of one command: those that are up, else an ephemeral one, replaced when it dies."""

    def __init__(self, made: Services, show: Show) -> None:
        self._made, self._show = made, show
        self._ours: Background | None = None
        self._started, self._looked = 0, 0.0

    @property
    def ephemeral(self) -> bool:
        """Whether the run goes on only as long as this command does."""
        return self._ours is not None

    def look_after(self, now: Run) -> None:
        """See to it that somebody works: start an ephemeral worker where none is up, again when it has died."""
        if now.ended_at is not None or time.monotonic() - self._looked < 1.0:
            return
        self._looked = time.monotonic()
        from loopy.cli.home import living_workers

        if self._ours is not None and self._ours.alive:
            return
        if living_workers(self._made):
            self._ours = None
            return
        if self._started == MOST_WORKERS:
            raise ProcessError("worker", f"died {MOST_WORKERS} times", hint=f"see {self._log}")
        again = self._ours is not None
        self._start()
        words = "the worker died; another one takes over" if again else "no worker is up: started one for this run"
        self._show.say(f"{words} ({self._log})")

    def await_receipt(self, ended: Run) -> None:
        """Give a worker of ours the time to put the receipt where it belongs; the next one would do it as well."""
        give_up = time.monotonic() + PUBLISH_S
        while self._ours is not None and self._ours.alive and time.monotonic() < give_up:
            with self._made.graph.read() as tx:
                row = tx.receipts.of(ended.id)
            if row is not None and row.pushed_at is not None:
                return
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the worker that was started here; what it holds goes back to `ready`."""
        if self._ours is not None:
            self._ours.stop()
            self._ours = None

    @property
    def _log(self) -> Path:
        return self._made.settings.logs / "ephemeral.log"

    def _start(self) -> None:
        from loopy.process.background import start

        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            os.replace(self._log, self._log.with_suffix(".log.1"))
        env = {**os.environ, "LOOPY_HOME": str(self._made.settings.home)}
        self._ours = start([sys.executable, "-P", "-m", "workers", "--ephemeral"], env, self._log)
        self._started += 1


def _detached(made: Services, started: Run, as_json: bool) -> int:
    from loopy.cli.home import living_workers, worker_hint
    from loopy.cli.views import run_json

    if as_json:
        emit((run_json(started) or {}) | {"hint": worker_hint(made)})
        return 0
    echo(f"{ink(started.id, 'strong')}  {started.state}")
    if not living_workers(made):
        echo(ink("no worker is up: it begins when one is (loopy up)", "quiet"))
    echo(ink(f"watch it: loopy watch {started.id}", "quiet"))
    return 0


def _interrupted(started: Run, crew: Crew, as_json: bool) -> int:
    if not as_json:
        words = "goes on with the next worker: loopy up" if crew.ephemeral else f"goes on: loopy watch {started.id}"
        echo()
        echo(f"{ink(started.id, 'strong')} {words}")
        echo(ink(f"end it instead: loopy ticket cancel {started.ticket}", "quiet"))
    return INTERRUPTED
