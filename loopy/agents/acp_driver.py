"""The driver of every CLI that speaks the Agent Client Protocol; it has no name of a CLI in it."""

from __future__ import annotations

from loopy.agents.acp_attempt import AcpAttempt
from loopy.agents.attempt import Attempt
from loopy.agents.launch import Launch, Refusal, prepare_acp
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.agents.turns import Turn, TurnDriver
from loopy.domain.agent import Agent
from loopy.ports import Brief, Workspace


class AcpDriver(TurnDriver):
    """Implements `Driver` for every entry with an `[acp]` block."""

    def launch(self, spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int) -> Launch | Refusal:
        """Return with what the agent's server is started."""
        return prepare_acp(spec, agent, brief, place, token, self._operator)

    def listen(self, on: Turn, transcript: Transcript, stream: LiveStream) -> Attempt:
        """Return our end of the conversation."""
        return AcpAttempt(on.spec, on.agent, on.brief, on.place, on.leash, self._clock, transcript, stream)
