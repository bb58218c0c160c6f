"""`loopy agent`: create a named agent in the home's loopy.toml."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent
    from loopy.sandbox.choose import Lacking
    from loopy.settings.model import Settings

KINDS = ("code", "test", "docs", "review", "security")


@click.group()
@options.example("loopy agent create claude --cli claude")
def agent() -> None:
    """Create an agent."""


@agent.command()
@click.argument("name")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.option("--cli", default="", help="An entry of the catalogue, such as claude, or another name of it.")
@click.option("--model", default="", help="As the CLI names it; default: the CLI's own choice.")
@click.option("--kind", type=click.Choice(KINDS), default="code", show_default=True, help="What it is for.")
@click.option("--fallback", default="", metavar="A,B", help="Who may take over at a limit, in order; created before.")
@click.option("--accounts", default="", metavar="A,B", help="A pool of `[accounts]` of loopy.toml, in order.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=2, show_default=True, help="Turns at once.")
@click.option("--policy", type=click.Path(path_type=Path), default=None, help="A TOML file with its own policy.")
@click.option("--no-failover", "alone", is_flag=True, help="At a limit it waits for its reset; nobody takes over.")
@options.as_json
@options.example(
    "loopy agent create codex --cli codex",
    "loopy agent create claude --cli claude --fallback codex",
    "loopy agent create formatter -- ruff format .",
    "loopy agent create reviewer --cli codex --kind review --concurrency 1",
)
def create(name: str, argv: tuple[str, ...], as_json: bool, **said: Any) -> None:
    """Create an agent in the home's loopy.toml: a CLI of the catalogue, or any command after `--`.

    A command is run in the workspace, with the prompt on its standard input; what it changes is its answer.
    """
    from loopy.cli.home import open_home, tell_lacking

    made = open_home()
    wanted = _agent(made, name, argv, said)
    lacking = _write(made.settings, wanted)
    if as_json:
        emit(wanted)
        return
    echo(f"created {ink(line(wanted.name), 'strong')} in {made.settings.file}")
    tell_lacking(lacking, made.settings.file)
    echo(ink("see whether it is usable: loopy agents", "quiet"))


def _agent(made: Services, name: str, argv: tuple[str, ...], said: dict[str, Any]) -> Agent:
    from loopy.agents.catalogue import entry_named, load_catalog, near
    from loopy.domain.agent import Agent
    from loopy.domain.tables import build, suggestion

    cli: str = said["cli"]
    if bool(argv) == bool(cli):
        raise ConfigError("agent", "give either --cli NAME or a command after `--`", hint="`loopy agent create --help`")
    catalog = load_catalog(made.settings.agents_dir)
    spec = entry_named(catalog, cli)
    if cli and spec is None:
        raise NotFoundError("--cli", f"the catalogue has no entry '{line(cli, 40)}'", hint=near(catalog, cli))
    successors = _words(said["fallback"])
    for other in successors:
        if other not in made.settings.agents:
            known = suggestion(other, made.settings.agents, "agents")
            first = f"create it first: `loopy agent create {other} --cli {other}`" if other in catalog else known
            raise NotFoundError("--fallback", f"no agent is called '{line(other, 40)}'", hint=first)
    for account in (pool := _words(said["accounts"])):
        if account not in made.settings.accounts:
            hint = suggestion(account, made.settings.accounts, "accounts")
            raise NotFoundError("--accounts", f"no account is called '{line(account, 40)}'", hint=hint)
    fields: dict[str, Any] = {
        "name": name,
        "argv": argv,
        "cli": spec.id if spec else "command",
        "failover": not said["alone"],
    }
    fields |= {key: said[key] for key in ("kind", "model", "concurrency")}
    fields |= {"fallback": successors, "accounts": pool, "policy": _policy(said["policy"])}
    return build(Agent, fields, "agent")


def _words(said: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in said.split(",") if word.strip())


def _policy(file: Path | None) -> dict[str, Any] | None:
    from loopy.cli.words import text_of
    from loopy.domain.policy import Policy
    from loopy.domain.tables import build, read_table

    if file is None:
        return None
    try:
        table = read_table(text_of(file.read_bytes(), str(file)), str(file))
    except OSError as error:
        raise NotFoundError(str(file), error.strerror or "cannot be read", hint="a policy is one TOML file") from error
    build(Policy, table, str(file))
    return table


def _write(settings: Settings, wanted: Agent) -> Lacking | None:
    """Put the agent at the end of the home's file, whole or not at all; a home without one gets the starter first.

    Returns why the starter lets agents run without a sandbox, if it does.
    """
    from loopy.cli.home import first_settings
    from loopy.settings.write import add_agent

    file = settings.file
    text, lacking = (file.read_text(encoding="utf-8"), None) if file.exists() else first_settings(settings)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(add_agent(text, wanted))
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    return lacking
