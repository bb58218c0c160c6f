"""What Loopy must make of each scenario, whatever the CLI; and the named exceptions, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from tests.agents.support import CATALOG
from tests.agents_real.drive import Drove

TURNED = "turned"
SCENARIOS: Mapping[str, frozenset[str]] = {
    "ok": frozenset({TURNED}),
    "resume": frozenset({TURNED}),
    "unknown": frozenset({TURNED}),  # anew, for the CLI does not know the session
    "usage": frozenset({"quota"}),
    "usage2": frozenset({"quota"}),  # after the first tool call
    "quota": frozenset({"billing", "quota"}),
    "auth": frozenset({"auth"}),
    "overflow": frozenset({"context_overflow"}),
    "overload": frozenset({"capacity"}),
    "hang": frozenset({"agent_stalled"}),
    "cut": frozenset({"capacity", "agent_crash", "agent_stalled", TURNED}),  # the next look at the tree decides
}
PLAYED = {"resume": "chat", "unknown": "chat"}  # what the model plays
# A CLI that says nothing before it sleeps or gives up: what can be known then.
SILENT = frozenset({"agent_stalled"})
EXCEPTIONS: Mapping[tuple[str, str], frozenset[str]] = {
    ("aider", "usage2"): frozenset({TURNED}),  # it calls no tools: one call is all
    **{(cli, limit): SILENT for cli in ("qwen", "cline") for limit in ("usage", "usage2", "quota", "overload")},
}


def fits(drove: Drove) -> bool:
    """Whether the run came to what it must."""
    wanted = EXCEPTIONS.get((drove.cli, drove.scenario), SCENARIOS[drove.scenario])
    return drove.word in wanted and not drove.alive and _did(drove)


def _did(drove: Drove) -> bool:
    print_block = CATALOG[drove.cli].print
    resumes = print_block is not None and print_block.resumes
    match drove.scenario:
        case "ok":
            return drove.mended
        case "resume":
            return not resumes or drove.came_to.session_id == drove.session
        case "unknown":
            return not resumes or drove.anew
    return True
