"""`loopy drill`: rehearse a usage limit on one's own chain of agents."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.errors import RefusedError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.demo.drill import Drilled, Link


@click.command()
@click.argument("name", required=False, metavar="[AGENT]")
@options.as_json
@options.example("loopy drill", "loopy drill claude")
def drill(name: str | None, as_json: bool) -> int:
    """Rehearse a usage limit: who takes over, how soon, and does the work hold.

    Takes the chain of AGENT (default: the first one that may fail over) as it is now: who is installed, logged in and
    not cooling. Then one ticket runs on the real stack in a scratch home, with scripts in the place of the agents; the
    first one meets its limit in the middle of the work. No tokens are spent.

    Exit codes: 0 the next agent finished the work and the receipt was verified, 1 nobody could take over.
    """
    from loopy.cli.demo import teller
    from loopy.cli.home import open_home
    from loopy.demo.drill import drill as play

    made = open_home()
    chain = links(made, name)
    if not as_json:
        _show_chain(chain)
    quiet = (lambda _text, _ink: None) if as_json else (lambda text, name: echo(ink(text, name)))
    found = play(chain, quiet, teller(), dict(os.environ))
    good = bool(found.successor) and not found.fault
    if as_json:
        rows = [{"agent": link.name, "usable": link.usable, "why": link.why} for link in chain]
        emit({"ok": good, "chain": rows, **_facts(found)})
        return int(not good)
    echo()
    echo(ink(line(_said(found)), "good" if good else "bad"))
    if not good and len(chain) == 1:
        echo(ink(f'give it a successor: fallback = ["OTHER"] under [agents.{chain[0].name}]', "quiet"))
    return int(not good)


def links(made: Services, name: str | None) -> list[Link]:
    """Return the chain of the agent as it is now. Raises NotFoundError, or RefusedError where there is no agent."""
    from loopy.cli.agents import looked_at
    from loopy.cli.installed import known_agent
    from loopy.demo.drill import Link

    agents = made.settings.agents
    if not agents:
        raise RefusedError("drill", "there are no agents yet", hint="`loopy agent create claude --cli claude`")
    known_agent(made, name or "")
    first = agents[name] if name else next((a for a in agents.values() if a.fallback), next(iter(agents.values())))
    chain = (first.name, *(first.fallback if first.failover else ()))
    seen = {each["name"]: each for each in looked_at(made)}
    return [Link(n, bool(seen[n]["healthy"] and not seen[n]["cooling_until"]), _why(seen[n])) for n in chain]


def _why(seen: dict[str, Any]) -> str:
    if not seen["healthy"]:
        return str(seen["reason"])
    until = seen["cooling_until"]
    return f"cools until {until.astimezone():%H:%M}: {seen['cooling_why']}" if until else str(seen["version"])


def _show_chain(chain: list[Link]) -> None:
    for n, link in enumerate(chain):
        mark = ("✓", "good") if link.usable else ("✗", "bad")
        echo(
            f"{ink(*mark)} {'then ' if n else ''}{ink(line(link.name), 'strong')}  {ink(line(link.why), 'quiet')}".rstrip()
        )
    echo(ink("a limit in mid-run, on the real stack, with scripts in the place of these agents", "quiet"))
    echo()


def _facts(found: Drilled) -> dict[str, Any]:
    return {
        "limited": found.limited,
        "successor": found.successor,
        "after_s": round(found.after_s, 2),
        "waits_until": found.waits_until,
        "verified": found.verified,
        "fault": found.fault,
    }


def _said(found: Drilled) -> str:
    if found.fault:
        return f"✗ {found.fault}"
    if found.waits_until is not None:
        return f"✗ nobody can take over from {found.limited}: the run would wait for its reset, without a worker"
    return f"✓ {found.successor} took over from {found.limited} after {found.after_s * 1000:.0f} ms and finished; receipt verified"
