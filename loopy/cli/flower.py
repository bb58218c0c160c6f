"""`loopy flower`: Flower on the workers, for this machine only."""

from __future__ import annotations

import os
import secrets
import sys

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit_line, ink


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True)
@click.option("--writable", is_flag=True, help="Let Flower revoke tasks and stop workers, too.")
@options.as_lines
@options.example("loopy flower --port 5556")
def flower(port: int, writable: bool, as_json: bool) -> None:
    """Open Flower on the workers, on this machine only.

    Bound to 127.0.0.1, read-only, with a password that is made now and shown once.
    """
    from loopy.cli.home import open_home

    made = open_home()
    password, url = secrets.token_urlsafe(12), f"http://127.0.0.1:{port}/"
    if as_json:
        emit_line({"url": url, "user": "loopy", "password": password, "pid": os.getpid()})
    else:
        echo(f"Flower  {ink(url, 'strong')}  user loopy, password {ink(password, 'strong')}")
        echo(ink("Ctrl-C stops it; the workers go on", "quiet"))
    # By environment, for a command line is anybody's to read; from the home, for Celery imports from where it stands.
    env = {**os.environ, "FLOWER_BASIC_AUTH": f"loopy:{password}", "LOOPY_HOME": str(made.settings.home)}
    env["FLOWER_READ_ONLY"] = "false" if writable else "true"
    argv = [
        sys.executable,
        "-P",
        "-m",
        "celery",
        "-A",
        "workers.app",
        "flower",
        "--address=127.0.0.1",
        f"--port={port}",
    ]
    sys.stdout.flush()
    os.chdir(made.settings.home)
    os.execve(sys.executable, argv, env)  # noqa: S606  (a program of the same environment)
