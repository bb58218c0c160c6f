"""A setup: what stands on an operator's machine by which a CLI talks to a model server of his own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from loopy.agents.spec import Spec
from loopy.domain.agent import Agent
from loopy.domain.errors import AgentError

KEY = "dummy-key-0000"  # nobody's
Drive = Literal["print", "acp"]


@dataclass(frozen=True, slots=True)
class Setup:
    """Variables of the operator's, files below his home, and fields of the agent."""

    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    agent: Mapping[str, Any] = field(default_factory=dict)

    def settle(self, home: Path) -> None:
        """Write the files into the operator's home."""
        for name, text in self.files.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(text, encoding="utf-8")

    def made(self, name: str, cli: str, **more: Any) -> Agent:
        """Return an agent of that name; what is said here comes after the setup's own fields."""
        return Agent.model_validate({"name": name, "cli": cli, **self.agent, **more})


def setup_for(spec: Spec, base: str, drive: Drive = "print") -> Setup:
    """Return how the entry says that the CLI is pointed at the server at `base`. Raises AgentError where it does not say so."""
    if spec.own_model is None:
        raise AgentError(
            spec.id,
            "its entry does not say how to point it at a model server of one's own",
            f"an `[own_model]` in {spec.id}.toml says so",
        )
    how = spec.own_model.over(drive)
    files = {file.path: _filled(file.text, base) for file in how.file}
    agent = {"model": how.model, "argv": how.argv, "drive": drive}
    return Setup({name: _filled(value, base) for name, value in how.env.items()}, files, agent)


def _filled(text: str, base: str) -> str:
    return text.replace("{base}", base).replace("{key}", KEY)  # not str.format: the texts are JSON as often as not
