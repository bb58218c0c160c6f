"""`loopy agents doctor`: ask agents and programs what is wrong with them, without a call of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.agents import health_of, operator_of
from loopy.cli.doctor import Sign, show
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.errors import NotFoundError

if TYPE_CHECKING:
    from loopy.agents.spec import Spec
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@options.as_json
@options.example("loopy agents doctor", "loopy agents doctor claude codex")
def doctor(names: tuple[str, ...], as_json: bool) -> int:
    """Ask agents and programs what is wrong with them, and say what mends it.

    Looks for the program, whether it is the one that is meant, its version, its login, and whether it answers over the
    Agent Client Protocol. NAME is an agent or an entry
    of the catalogue; default: every agent. Spends no tokens. Exit code 1 when one of them cannot work.
    """
    from loopy.cli.home import open_home

    made = open_home()
    signs = {name: list(_signs(made, spec, agent)) for name, spec, agent in meant(made, names)}
    failed = any(sign.state == "fail" for found in signs.values() for sign in found)
    if as_json:
        emit({"ok": not failed, "agents": {name: [asdict(sign) for sign in found] for name, found in signs.items()}})
        return int(failed)
    for n, (name, found) in enumerate(signs.items()):
        echo(f"{'' if n == 0 else chr(10)}{ink(line(name), 'strong')}")
        show(found)
    if not signs:
        echo(ink("no agents yet; create one: loopy agent create claude --cli claude", "quiet"))
    return int(failed)


def meant(made: Services, names: Sequence[str]) -> Iterator[tuple[str, Spec, Agent]]:
    """Yield what is meant by each name, an agent or an entry; all agents for none. Raises NotFoundError for a stranger."""
    from loopy.agents.catalogue import called, entry_named, load_catalog, near
    from loopy.domain.agent import Agent
    from loopy.domain.tables import near_miss

    catalog, agents = load_catalog(made.settings.agents_dir), made.settings.agents
    for name in names or agents:
        spec = entry_named(catalog, name)
        if name not in agents and spec is None:
            hint = near_miss(name, agents) or near(catalog, name)
            raise NotFoundError("agents", f"neither an agent nor a program is called '{line(name, 40)}'", hint=hint)
        agent = agents.get(name) or Agent(name="a", cli=spec.id if spec else name)
        if agent.cli not in catalog:
            what = f"the catalogue has no entry '{line(agent.cli, 40)}'"
            raise NotFoundError(f"agent {name}", what, hint=called(catalog, agent.cli))
        yield name, catalog[agent.cli], agent


def _signs(made: Services, spec: Spec, agent: Agent) -> Iterator[Sign]:
    from loopy.agents.redact import Redactor

    hide = Redactor().text
    looks = list(health_of(made).examine(spec, agent))
    for look in looks:
        yield Sign(look.name, "ok" if look.good else "fail", hide(look.text), hide(look.fix))
    if spec.acp is not None and all(look.good or look.name == "login" for look in looks):
        yield _protocol(made, spec, agent)
    with made.graph.read() as tx:
        cooling = tx.fleet.cooldowns().get(agent.billed_to)
    if cooling is not None and cooling.until > made.clock.now():
        when = f"{cooling.until.astimezone():%Y-%m-%d %H:%M}"
        yield Sign(
            "limit", "warn", f"account {cooling.account} cools until {when}: {cooling.why}", "it goes on by itself"
        )


def _protocol(made: Services, spec: Spec, agent: Agent) -> Sign:
    """Return what a handshake over the Agent Client Protocol comes to; a login is not needed for it."""
    from loopy.agents.acp_greet import initialize_only

    greeting = initialize_only(spec, agent, operator_of(made))
    if not greeting.reason:
        who = " ".join(filter(None, (greeting.name, greeting.version)))
        ways = f"; logs in by {', '.join(greeting.methods)}" if greeting.methods else ""
        return Sign("acp", "ok", f"protocol {greeting.protocol}{f', {who}' if who else ''}{ways}")
    if spec.driven_by(agent.drive) == "acp":
        return Sign(
            "acp", "fail", greeting.reason, 'drive = "print" of the agent uses its headless mode' if spec.print else ""
        )
    return Sign("acp", "ok", f"not needed, and not there: {greeting.reason}")
