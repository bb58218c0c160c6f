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

KINDS = ("code", "test", "docs", "review", "security")


@click.group()
@options.example("loopy agent create claude --cli claude")
def agent() -> None:
    """Create an agent."""


@agent.command()
@click.argument("name")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.option("--cli", default="", help="An entry of the catalogue, such as claude, codex or gemini.")
@click.option("--model", default="", help="As the CLI names it; default: the CLI's own choice.")
@click.option("--kind", type=click.Choice(KINDS), default="code", show_default=True, help="What it is for.")
@click.option("--fallback", default="", metavar="A,B", help="Who may take over at a limit, in order; created before.")
@options.as_json
@options.example(
    "loopy agent create codex --cli codex",
    "loopy agent create claude --cli claude --fallback codex",
    "loopy agent create formatter -- ruff format .",
)
def create(name: str, argv: tuple[str, ...], cli: str, model: str, kind: str, fallback: str, as_json: bool) -> None:
    """Create an agent in the home's loopy.toml: a CLI of the catalogue, or any command after `--`.

    A command is run in the workspace, with the prompt on its standard input; what it changes is its answer.
    """
    from loopy.cli.home import open_home

    made = open_home()
    wanted = _agent(made, name, argv, cli, model, kind, fallback)
    _write(made.settings.file, wanted)
    if as_json:
        emit(wanted)
        return
    echo(f"created {ink(line(wanted.name), 'strong')} to {made.settings.file}")
    echo(ink("see whether it is usable: loopy agents", "quiet"))


def _agent(made: Services, name: str, argv: tuple[str, ...], cli: str, model: str, kind: str, fallback: str) -> Agent:
    from loopy.agents.catalogue import load_catalog
    from loopy.domain.agent import Agent
    from loopy.domain.tables import build, suggestion

    if bool(argv) == bool(cli):
        raise ConfigError("agent", "give either --cli NAME or a command after `--`", hint="`loopy agent create --help`")
    catalog = load_catalog(made.settings.agents_dir)
    if cli and cli not in catalog:
        raise NotFoundError(
            "--cli", f"the catalogue has no entry '{line(cli, 40)}'", hint=suggestion(cli, catalog, "entries")
        )
    successors = tuple(word.strip() for word in fallback.split(",") if word.strip())
    for other in successors:
        if other not in made.settings.agents:
            known = suggestion(other, made.settings.agents, "agents")
            first = f"create it first: `loopy agent create {other} --cli {other}`" if other in catalog else known
            raise NotFoundError("--fallback", f"no agent is called '{line(other, 40)}'", hint=first)
    said: dict[str, Any] = {"name": name, "kind": kind, "cli": cli or "command", "argv": argv, "model": model}
    return build(Agent, said | {"fallback": successors}, "agent")


def _write(file: Path, wanted: Agent) -> None:
    """Put the agent at the end of the home's file, whole or not at all; a home without one gets the starter first."""
    from loopy.settings.write import add_agent, starter_toml

    text = file.read_text(encoding="utf-8") if file.exists() else starter_toml()
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(add_agent(text, wanted))
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
