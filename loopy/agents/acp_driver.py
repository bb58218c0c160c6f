"""The driver of every CLI that speaks the Agent Client Protocol; it has no name of a CLI in it."""

from __future__ import annotations

from loopy.agents.acp_attempt import AcpAttempt
from loopy.agents.attempt import Attempt
from loopy.agents.launch import Launch, Refusal, missing_server, prepare_acp
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.agents.turns import Turn, TurnDriver
from loopy.domain.agent import Agent
from loopy.ports import Brief, Workspace


class AcpDriver(TurnDriver):
    """Implements `Driver` for every entry with an `[acp]` block."""

    def health(self, agent: Agent) -> tuple[bool, str]:
        """Return whether the agent's program is there and usable, and so is the one that speaks for it, if that is another."""
        healthy, said = super().health(agent)
        spec = self._catalog.get(agent.cli)
        if healthy and spec is not None and (lacking := missing_server(spec, self._operator.env.get("PATH", ""))):
            return False, lacking
        return healthy, said

    def launch(self, spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int) -> Launch | Refusal:
        """Return with what the agent's server is started."""
        return prepare_acp(spec, agent, brief, place, token, self._operator)

    def listen(self, on: Turn, transcript: Transcript, stream: LiveStream) -> Attempt:
        """Return our end of the conversation."""
        return AcpAttempt(on.spec, on.agent, on.brief, on.place, on.leash, self._clock, transcript, stream)
