"""The driver of headless CLIs: one turn is one guarded process whose output is read by the catalogue entry."""

from __future__ import annotations

from loopy.agents.attempt import Attempt
from loopy.agents.launch import Launch, Refusal, prepare
from loopy.agents.spec import Spec
from loopy.agents.stream import LiveStream
from loopy.agents.transcript import Transcript
from loopy.agents.turns import Turn, TurnDriver
from loopy.domain.agent import Agent
from loopy.ports import Brief, Workspace


class PrintDriver(TurnDriver):
    """Implements `Driver` for every entry with a `[print]` block."""

    def launch(self, spec: Spec, agent: Agent, brief: Brief, place: Workspace, token: int) -> Launch | Refusal:
        """Return with what the agent's process is started."""
        return prepare(spec, agent, brief, place, token, self._operator, boxed=self.boxed)

    def listen(self, on: Turn, transcript: Transcript, stream: LiveStream) -> Attempt:
        """Return the receiving end of the process."""
        return Attempt(on.spec, on.agent, on.leash, self._clock, transcript, stream)
