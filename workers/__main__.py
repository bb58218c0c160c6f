"""A worker process, `python -m workers`: what `loopy up` becomes, and what `loopy run` starts for itself."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

from loopy.bootstrap.services import services
from loopy.cli.exits import exit_code_of
from loopy.cli.live import LiveLine
from loopy.cli.paper import coloured
from workers.app import Shell
from workers.logs import set_up
from workers.signals import hand_back
from workers.terminal import Terminal


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; `loopy up` has checked them already when it is the caller."""
    parser = argparse.ArgumentParser(prog="python -P -m workers", description=__doc__)
    parser.add_argument("--beat", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--concurrency", type=int, default=None)
    parser.add_argument("--queues", default="", help="a comma-separated list")
    parser.add_argument("--ephemeral", action="store_true", help="end when standard input does")
    parser.add_argument("--json", action="store_true", help="print events as JSON, one a line")
    return parser.parse_args(words)


def work(options: argparse.Namespace) -> int:
    """Run the worker until it is told to stop; return its exit code."""
    made = services()
    live = LiveLine(
        sys.stderr, colour=coloured(err=True), on=None if sys.stderr.isatty() and not options.json else False
    )
    set_up(live, None if options.ephemeral else made.settings.logs / "worker.log")
    warnings.filterwarnings("ignore", message="(?s).*superuser privileges")  # `loopy doctor` says it, in one line
    shell = Shell(made, beat=options.beat, as_json=options.json)
    worker: Any = shell.app.Worker(
        concurrency=options.concurrency or made.settings.threads,
        queues=options.queues or None,
        hostname=f"loopy-{os.getpid()}@{socket.gethostname()}",
        loglevel="WARNING",
        quiet=True,  # no banner
        without_mingle=True,  # workers tell each other nothing; the graph does
        without_gossip=True,
        optimization="fair",
    )
    terminal = Terminal(made, shell, live, as_json=options.json)
    terminal.start()
    if options.ephemeral:
        threading.Thread(target=_await_end_of_input, args=(shell,), name="loopy-input", daemon=True).start()
    try:
        worker.start()
    finally:
        terminal.stop()
    return int(worker.exitcode or 0)


def _await_end_of_input(shell: Shell) -> None:
    """Hand everything back and leave, once the process that started this one has closed our standard input or died."""
    while os.read(0, 4096):
        pass
    hand_back(shell, 1)


def main() -> int:
    """Run the command line of this process."""
    options = parse()
    return exit_code_of(lambda: work(options), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
