"""`loopy agents`: who can work, and which programs of the catalogue are on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.lazy import Late, LateGroup
from loopy.cli.paper import Cell, echo, emit, ink, line, table

if TYPE_CHECKING:
    from loopy.agents.environment import Operator
    from loopy.agents.health import Finding, Health
    from loopy.agents.spec import Spec
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent
    from loopy.engine.books import Cooldown

AT_ONCE = 8  # programs that are asked side by side: most take a second to tell their version
PARTS: Mapping[str, Mapping[str, Late]] = {
    "Commands": {
        "doctor": Late("loopy.cli.agents_doctor:doctor", "Ask agents and programs what is wrong with them."),
        "test": Late("loopy.cli.agents_test:test", "Try an installed CLI in scratch folders, on a scripted model."),
        "add": Late("loopy.cli.agents_entries:add", "Teach this home another CLI, by its command line."),
        "import-acp": Late("loopy.cli.agents_entries:import_acp", "Teach this home the agents of an ACP registry."),
        "schema": Late("loopy.cli.agents_entries:schema", "Print the JSON Schema of a catalogue entry."),
    }
}


@click.group(cls=LateGroup, parts=PARTS, invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Also list what is not installed, with the way to get it.")
@options.as_json
@options.example(
    "loopy agents",
    "loopy agents --json | jq '.agents[] | select(.healthy)'",
    "loopy agents --all",
    "loopy agents doctor claude",
)
@click.pass_context
def agents(ctx: click.Context, everything: bool, as_json: bool) -> None:
    """List agents and programs, and whether each is usable.

    Usable: installed, the program that is meant, logged in, not cooling after a limit. Each program comes with the way
    it is driven (print: its headless mode; acp: the Agent Client Protocol) and how sure Loopy is of that: tested with
    the program itself, documented by its makers, or told by the community. No tokens are spent.
    """
    if ctx.invoked_subcommand is not None:
        return
    from loopy.cli.home import open_home

    made = open_home()
    found, programs = looked_at(made), programs_of(made)
    if as_json:
        emit({"agents": found, "programs": programs})
        return
    for row in table([_row(each) for each in found]):
        echo(row)
    if not found:
        echo(ink("no agents yet; create one: loopy agent create claude --cli claude", "quiet"))
    _show_programs(programs, everything=everything)


def _show_programs(programs: list[dict[str, Any]], *, everything: bool) -> None:
    shown = [each for each in programs if everything or each["installed"]]
    if shown:
        echo(f"\n{ink('The catalogue' if everything else 'Programs on this machine', 'strong')}")
    for row in table([_program(each) for each in shown]):
        echo(row)
    if rest := len(programs) - len(shown):
        echo(f"\n{ink(f'{rest} more programs are known: loopy agents --all', 'quiet')}")


def operator_of(made: Services) -> Operator:
    """Return whose machine it is, for agents."""
    from loopy.agents.environment import Operator

    return Operator(made.env, Path(made.env["HOME"]) if made.env.get("HOME") else None)


def health_of(made: Services) -> Health:
    """Return what asks the programs of this home."""
    from loopy.agents.health import Health

    return Health(operator_of(made), made.clock)


def looked_at(made: Services) -> list[dict[str, Any]]:
    """Return every agent with its health; asks each program for its version and login, for seconds at most."""
    from loopy.agents.catalogue import load_catalog

    catalog, health = load_catalog(made.settings.agents_dir), health_of(made)
    with made.graph.read() as tx:
        cooldowns = tx.fleet.cooldowns()
    known = list(made.settings.agents.values())
    found = _asked(health, catalog, [(catalog.get(agent.cli), agent) for agent in known])
    return [_facts(a, f, _cooling(a, cooldowns, made)) for a, f in zip(known, found, strict=True)]


def programs_of(made: Services) -> list[dict[str, Any]]:
    """Return every program of the catalogue, the installed ones first; only these are asked."""
    from loopy.agents.catalogue import load_catalog
    from loopy.agents.launch import program
    from loopy.domain.agent import Agent

    health, path, catalog = health_of(made), made.env.get("PATH", ""), load_catalog(made.settings.agents_dir)
    known = [(spec, Agent(name="a", cli=spec.id)) for spec in catalog.values()]
    known = [(spec, agent) for spec, agent in known if spec.detect.bin]
    here = [(spec, agent) for spec, agent in known if program(spec, agent, path)]
    found = dict(zip((spec.id for spec, _ in here), _asked(health, catalog, here), strict=True))
    rows = [_entry(spec, found.get(spec.id)) for spec, _ in known]
    return sorted(rows, key=lambda row: (not row["installed"], row["id"]))


def _asked(health: Health, catalog: Mapping[str, Spec], many: Iterable[tuple[Spec | None, Agent]]) -> list[Finding]:
    from loopy.agents.catalogue import called
    from loopy.agents.health import Finding

    def look(one: tuple[Spec | None, Agent]) -> Finding:
        spec, agent = one
        if spec is None:
            return Finding(False, "", f"no entry '{agent.cli}' in the catalogue: {called(catalog, agent.cli)}")
        return health.look(spec, agent)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(look, many))


def _cooling(agent: Agent, cooldowns: Mapping[str, Cooldown], made: Services) -> Cooldown | None:
    found = cooldowns.get(agent.billed_to)
    return found if found is not None and found.until > made.clock.now() else None


def _facts(agent: Agent, found: Finding, cooling: Cooldown | None) -> dict[str, Any]:
    from loopy.agents.redact import Redactor

    return {
        "name": agent.name,
        "kind": agent.kind,
        "cli": agent.cli,
        "model": agent.model,
        "argv": agent.argv,
        "account": agent.billed_to,
        "fallback": agent.fallback,
        "scripted": agent.scripted,
        "healthy": found.healthy,
        "version": found.version if found.healthy else "",
        "reason": "" if found.healthy else Redactor().text(found.reason),
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


def _entry(spec: Spec, found: Finding | None) -> dict[str, Any]:
    from loopy.agents.redact import Redactor

    return {
        "id": spec.id,
        "name": spec.name,
        "installed": found is not None,
        "healthy": bool(found and found.healthy),
        "version": found.version if found else "",
        "reason": Redactor().text(found.reason) if found and not found.healthy else "",
        "driven": sorted(
            (way for way, block in (("print", spec.print), ("acp", spec.acp)) if block is not None),
            key=lambda way: way != spec.driven_by(""),
        ),
        "confidence": spec.confidence,
        "checked_version": spec.version,
        "install": spec.install.hint,
    }


def _program(found: Mapping[str, Any]) -> list[Cell]:
    state: Cell = ("✓", "good") if found["healthy"] else ("✗", "bad") if found["installed"] else ("·", "quiet")
    more = found["reason"] if found["installed"] else found["install"]
    return [
        state,
        (line(found["id"]), "strong"),
        line(found["version"], 20),
        ", ".join(found["driven"]),
        (found["confidence"], "quiet"),
        (line(more), "quiet"),
    ]
