"""`loopy flower`: Flower on the workers, for this machine only."""

from __future__ import annotations

import os
import secrets
import sys

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit_line, ink
from loopy.domain.errors import ConfigError


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5555, show_default=True)
@click.option("--writable", is_flag=True, help="Let Flower revoke tasks and stop workers, too.")
@options.as_lines
@options.example("loopy flower --port 5556")
def flower(port: int, writable: bool, as_json: bool) -> None:
    """Open Flower on the workers, on this machine only.

    Bound to 127.0.0.1 and read-only. User and password are those of FLOWER_BASIC_AUTH=user:password in the
    environment; without it a password is made now and shown once.
    """
    from loopy.cli.home import open_home

    given = os.environ.get("FLOWER_BASIC_AUTH", "")
    _demand_password(given)
    made = open_home()
    user, password, url = "loopy", secrets.token_urlsafe(12), f"http://127.0.0.1:{port}/"
    if as_json:
        shown = {"user": user, "password": password} if not given else {"user": given.partition(":")[0]}
        emit_line({"url": url, **shown, "pid": os.getpid()})
    else:
        words = f"user {user}, password {ink(password, 'strong')}" if not given else "login as FLOWER_BASIC_AUTH says"
        echo(f"Flower  {ink(url, 'strong')}  {words}")
        more = "" if given else "; FLOWER_BASIC_AUTH=user:password sets a password of your own"
        echo(ink(f"Ctrl-C stops it, the workers go on{more}", "quiet"))
    # By environment, for a command line is anybody's to read; from the home, for Celery imports from where it stands.
    env = {**os.environ, "FLOWER_BASIC_AUTH": given or f"{user}:{password}", "LOOPY_HOME": str(made.settings.home)}
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


def _demand_password(given: str) -> None:
    """Raise ConfigError for a login that would let anybody in."""
    for login in given.split(",") if given else ():
        user, _, password = login.partition(":")
        if not (user.strip() and password.strip()):
            hint = "FLOWER_BASIC_AUTH=user:password, or leave it out: one is made"
            raise ConfigError("FLOWER_BASIC_AUTH", "names no user with a password", hint=hint)
