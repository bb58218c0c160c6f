"""The one driver that the engine sees: each agent is driven as it asks for, else as suits its CLI best."""

from __future__ import annotations

from collections.abc import Mapping

from loopy.agents.acp_driver import AcpDriver
from loopy.agents.environment import Operator
from loopy.agents.print_driver import PrintDriver
from loopy.agents.redact import Redactor
from loopy.agents.spec import Spec
from loopy.agents.turns import TurnDriver
from loopy.domain.agent import Agent, Tried, Turned
from loopy.ports import Brief, Clock, Leash, Sandbox, Workspace


class Drivers:
    """Implements `Driver` for every agent by one of the two."""

    def __init__(
        self,
        catalog: Mapping[str, Spec],
        operator: Operator,
        sandbox: Sandbox,
        clock: Clock,
        redactor: Redactor | None = None,
    ) -> None:
        self._catalog = catalog
        self._print = PrintDriver(catalog, operator, sandbox, clock, redactor)
        self._acp = AcpDriver(catalog, operator, sandbox, clock, redactor)

    def turn(self, agent: Agent, brief: Brief, place: Workspace, leash: Leash) -> Turned | Tried:
        """Run the agent to its end; see `TurnDriver.turn`."""
        return self._of(agent).turn(agent, brief, place, leash)

    def health(self, agent: Agent) -> tuple[bool, str]:
        """Return whether the agent's program is there and usable, and the version or the reason; cached for a minute."""
        return self._of(agent).health(agent)

    def _of(self, agent: Agent) -> TurnDriver:
        spec = self._catalog.get(agent.cli)
        return self._acp if spec is not None and spec.driven_by(agent.drive) == "acp" else self._print
