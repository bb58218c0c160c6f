"""What Loopy must make of each scenario, whatever the CLI; and the named exceptions, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from tests.agents_real.drive import Drove

TURNED = "turned"
SCENARIOS: Mapping[str, frozenset[str]] = {
    "ok": frozenset({TURNED}),
    "usage": frozenset({"quota"}),
    "usage2": frozenset({"quota"}),  # after the first tool call
    "quota": frozenset({"billing", "quota"}),
    "auth": frozenset({"auth"}),
    "overflow": frozenset({"context_overflow"}),
    "overload": frozenset({"capacity"}),
    "hang": frozenset({"agent_stalled"}),
    "cut": frozenset({"capacity", "agent_crash", "agent_stalled", TURNED}),  # the next look at the tree decides
}
# A CLI that says nothing before it sleeps or gives up: what can be known then.
EXCEPTIONS: Mapping[tuple[str, str], frozenset[str]] = {}


def fits(drove: Drove) -> bool:
    """Whether the run came to what it must."""
    wanted = EXCEPTIONS.get((drove.cli, drove.scenario), SCENARIOS[drove.scenario])
    edited = drove.scenario != "ok" or drove.mended
    return drove.word in wanted and edited and not drove.alive
