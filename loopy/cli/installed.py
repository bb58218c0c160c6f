"""Whether an agent's program is on this machine, told before anything is filed or started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from loopy.cli.paper import line
from loopy.domain.errors import NotFoundError, RefusedError

if TYPE_CHECKING:
    from loopy.agents.spec import Spec
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent


def known_agent(made: Services, agent: str) -> None:
    """Raise NotFoundError for an agent that nobody has added; "" is nobody's name and passes."""
    from loopy.agents.catalogue import entry_named, load_catalog
    from loopy.domain.tables import suggestion

    known = made.settings.agents
    if not agent or agent in known:
        return
    hint = suggestion(agent, known, "agents") if known else "`loopy agent create NAME --cli claude` adds one"
    spec = entry_named(load_catalog(made.settings.agents_dir), agent)
    if spec is not None and spec.id != "command":
        hint = f"`loopy agent create {agent} --cli {spec.id}` adds it"
    raise NotFoundError("agent", f"no agent is called '{line(agent, 40)}'", hint=hint)


def demand_installed(made: Services, agent: str) -> None:
    """Raise RefusedError where neither the program of the agent nor that of one who may take over is installed.

    "" and unknown names pass: the route decides, or `known_agent` has the word.
    """
    from loopy.agents.catalogue import load_catalog

    agents = made.settings.agents
    chain = [agents[name] for name in (agent, *agents[agent].fallback) if name in agents] if agent in agents else []
    if chain:
        demand_one(chain, load_catalog(made.settings.agents_dir), made.env.get("PATH", ""))


def demand_one(chain: Iterable[Agent], catalog: Mapping[str, Spec], path: str) -> None:
    """Raise RefusedError, with the first one's way to install it, unless the program of one of them is on the path."""
    from loopy.agents.launch import program

    first, *others = chain
    specs = [(agent, catalog[agent.cli]) for agent in (first, *others) if agent.cli in catalog]
    if not specs or any(program(spec, agent, path) for agent, spec in specs):
        return
    spec = catalog.get(first.cli)
    names = " or ".join(spec.detect.bin or first.argv[:1]) if spec else first.cli
    nor = f", nor is that of {', '.join(other.name for other in others)}" if others else ""
    hint = f"install it: {spec.install.hint}" if spec and spec.install.hint else "`loopy agents` shows which are usable"
    raise RefusedError(f"agent {first.name}", f"its program `{line(names)}` is not installed{nor}", hint=hint)
