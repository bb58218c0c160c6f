"""`loopy agents` and `loopy agent add`: who can work, and one more."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.paper import Cell, echo, emit, ink, line, table
from loopy.domain.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent
    from loopy.engine.books import Cooldown

KINDS = ("code", "test", "docs", "review", "security")


@click.command()
@options.as_json
@options.example("loopy agents", "loopy agents --json | jq '.[] | select(.healthy)'")
def agents(as_json: bool) -> None:
    """List the agents and whether each is usable.

    Installed, the program that is meant, logged in, and not cooling after a limit.
    """
    from loopy.cli.home import open_home

    made = open_home()
    found = looked_at(made)
    if as_json:
        emit(found)
        return
    for row in table([_row(each) for each in found]):
        echo(row)
    if not found:
        echo(ink("no agents yet; add one: loopy agent add claude --cli claude", "quiet"))


def looked_at(made: Services) -> list[dict[str, Any]]:
    """Return every agent with its health; asks each program for its version and login, for seconds at most."""
    from loopy.agents.catalogue import load_catalog
    from loopy.agents.environment import Operator
    from loopy.agents.print_driver import PrintDriver
    from loopy.sandbox.none import NoSandbox

    home = Path(made.env["HOME"]) if made.env.get("HOME") else None
    catalog = load_catalog(made.settings.agents_dir)
    driver = PrintDriver(catalog, Operator(made.env, home), NoSandbox(), made.clock)
    with made.graph.read() as tx:
        cooldowns = tx.fleet.cooldowns()
    return [
        _facts(agent, *driver.health(agent), _cooling(agent, cooldowns, made))
        for agent in made.settings.agents.values()
    ]


def _cooling(agent: Agent, cooldowns: Mapping[str, Cooldown], made: Services) -> Cooldown | None:
    found = cooldowns.get(agent.billed_to)
    return found if found is not None and found.until > made.clock.now() else None


def _facts(agent: Agent, healthy: bool, said: str, cooling: Cooldown | None) -> dict[str, Any]:
    return {
        "name": agent.name,
        "kind": agent.kind,
        "cli": agent.cli,
        "model": agent.model,
        "argv": agent.argv,
        "account": agent.billed_to,
        "fallback": agent.fallback,
        "scripted": agent.scripted,
        "healthy": healthy,
        "version": said if healthy else "",
        "reason": "" if healthy else said,
        "cooling_until": cooling.until if cooling else None,
        "cooling_why": cooling.why if cooling else "",
    }


def _row(found: Mapping[str, Any]) -> list[Cell]:
    healthy, cooling = found["healthy"], found["cooling_until"]
    state: Cell = ("✓ usable", "good") if healthy else ("✗ not usable", "bad")
    if healthy and cooling:
        state = ("‖ cooling", "quiet")
    more = [found["version"] or found["reason"]]
    more += [f"until {cooling.astimezone():%Y-%m-%d %H:%M}, {found['cooling_why']}"] if cooling else []
    more += [f"then {', '.join(found['fallback'])}"] if found["fallback"] else []
    more += ["scripted"] if found["scripted"] else []
    program = " ".join(found["argv"]) if found["cli"] == "command" else " ".join((found["cli"], found["model"])).strip()
    name = (line(found["name"]), "strong")
    return [state, name, str(found["kind"]), line(program, 40), (" · ".join(line(m) for m in more if m), "quiet")]


@click.group()
@options.example("loopy agent add claude --cli claude")
def agent() -> None:
    """Add an agent."""


@agent.command()
@click.argument("name")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@click.option("--cli", default="", help="An entry of the catalogue, such as claude, codex or gemini.")
@click.option("--model", default="", help="As the CLI names it; default: the CLI's own choice.")
@click.option("--kind", type=click.Choice(KINDS), default="code", show_default=True, help="What it is for.")
@click.option("--fallback", default="", metavar="A,B", help="Who may take over at a limit, in order; added before.")
@options.as_json
@options.example(
    "loopy agent add codex --cli codex",
    "loopy agent add claude --cli claude --fallback codex",
    "loopy agent add formatter -- ruff format .",
)
def add(name: str, argv: tuple[str, ...], cli: str, model: str, kind: str, fallback: str, as_json: bool) -> None:
    """Add an agent to the home's loopy.toml: a CLI of the catalogue, or any command after `--`.

    A command is run in the workspace, with the prompt on its standard input; what it changes is its answer.
    """
    from loopy.cli.home import open_home

    made = open_home()
    wanted = _agent(made, name, argv, cli, model, kind, fallback)
    _write(made.settings.file, wanted)
    if as_json:
        emit(wanted)
        return
    echo(f"added {ink(line(wanted.name), 'strong')} to {made.settings.file}")
    echo(ink("see whether it is usable: loopy agents", "quiet"))


def _agent(made: Services, name: str, argv: tuple[str, ...], cli: str, model: str, kind: str, fallback: str) -> Agent:
    from loopy.agents.catalogue import load_catalog
    from loopy.domain.agent import Agent
    from loopy.domain.tables import build, suggestion

    if bool(argv) == bool(cli):
        raise ConfigError("agent", "give either --cli NAME or a command after `--`", hint="`loopy agent add --help`")
    catalog = load_catalog(made.settings.agents_dir)
    if cli and cli not in catalog:
        raise NotFoundError(
            "--cli", f"the catalogue has no entry '{line(cli, 40)}'", hint=suggestion(cli, catalog, "entries")
        )
    successors = tuple(word.strip() for word in fallback.split(",") if word.strip())
    for other in successors:
        if other not in made.settings.agents:
            known = suggestion(other, made.settings.agents, "agents")
            first = f"add it first: `loopy agent add {other} --cli {other}`" if other in catalog else known
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
