"""What the tests of the protocol's driver share: an entry for the agent that obeys a test, and one turn of it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopy.agents.acp_driver import AcpDriver
from loopy.agents.environment import Operator
from loopy.agents.limits import Verdict
from loopy.agents.spec import Acp, Auth, Detect, Spec
from loopy.domain.agent import Agent, Tried, Turned
from loopy.domain.policy import PathRule, Policy
from loopy.ports import Brief, Workspace
from loopy.sandbox.none import NoSandbox
from tests.agents.support import CATALOG, FixedClock, PaperLeash, place_in

SCRIPT = Path(__file__).parent / "acp_agent.py"
POLICY = Policy(
    paths=(PathRule(deny=("secrets/",), why="keys live there"), PathRule(ask=("conftest.py",), why="pytest"))
)


def spec(**acp: Any) -> Spec:
    """Return an entry whose program is the obedient agent, with the limits that hold for every CLI."""
    block = Acp.model_validate({"argv": ("{bin}", "-I", "-S", str(SCRIPT), "{*extra}"), "client_fs": True, **acp})
    limits = CATALOG["claude"].limit[len(CATALOG["claude"].limit) - 14 :]
    return Spec(
        id="fake",
        name="Fake",
        detect=Detect(bin=(sys.executable,), version_argv=()),
        auth=Auth(login_hint="fake login"),
        acp=block,
        limit=limits,
    )


@dataclass
class Ran:
    """One turn: what it came to, and what was seen of it."""

    came_to: Turned | Tried
    leash: PaperLeash
    place: Workspace
    received: list[dict[str, Any]]

    @property
    def turned(self) -> Turned:
        assert isinstance(self.came_to, Turned), self.came_to
        return self.came_to

    @property
    def tried(self) -> Verdict:
        assert isinstance(self.came_to, Tried), self.came_to
        return Verdict(self.came_to.failure, self.came_to.detail, self.came_to.resets_at)

    @property
    def said(self) -> str:
        return "".join(self.leash.texts("agent.message"))

    def sent(self, method: str) -> list[Any]:
        """Return the parameters of what Loopy sent under this name."""
        return [node.get("params") for node in self.received if node.get("method") == method]

    def refusals(self) -> list[object]:
        """Return the rules by which something was refused, in order."""
        return [e.facts.get("rule") for e in self.leash.events if e.facts.get("phase") == "refused"]


def go(
    folder: Path,
    scenario: str,
    *,
    of: Spec | None = None,
    session: str = "",
    policy: Policy = POLICY,
    leash: PaperLeash | None = None,
    env: dict[str, str] | None = None,
    **fields: Any,
) -> Ran:
    """Run one turn of the agent that plays the scenario."""
    entry, place, leash = of or spec(), place_in(folder), leash or PaperLeash()
    seen = folder / "seen.jsonl"
    given = {"ACP_SEEN": str(seen), **(env or {})}
    agent = Agent.model_validate(
        {"name": "a", "cli": "fake", "argv": (scenario,), "env": given, "idle_s": 20, "wall_s": 60, **fields}
    )
    driver = AcpDriver({"fake": entry}, Operator({"PATH": os.defpath}), NoSandbox(), FixedClock())
    came_to = driver.turn(agent, Brief("fix app.py", 1, session, policy), place, leash)
    lines = seen.read_text().splitlines() if seen.exists() else []
    return Ran(came_to, leash, place, [json.loads(line) for line in lines])
