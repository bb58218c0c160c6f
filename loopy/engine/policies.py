"""The effective policy of a run: operator, then agent, then the repository at its base; each lower one only tightens."""

from __future__ import annotations

from dataclasses import dataclass, field

from loopy.domain.agent import Agent
from loopy.domain.authority import tighten
from loopy.domain.policy import Policy
from loopy.domain.project import FILE, ProjectConfig, parse_project
from loopy.ports import Repositories


@dataclass(frozen=True)
class MergedPolicies:
    """`ports.Policies`, and the repository's own configuration at a commit; what a commit says is read once."""

    operator: Policy
    repositories: Repositories
    _read: dict[tuple[str, str], ProjectConfig] = field(default_factory=dict)

    def policy(self, agent: Agent | None, repo: str, base: str) -> Policy:
        """Return the policy that governs this agent on this repository at this commit."""
        merged = self.operator
        if agent is not None and agent.policy is not None:
            merged = tighten(merged, agent.policy)
        project = self.project(repo, base) if base else None
        return tighten(merged, project.policy) if project and project.policy else merged

    def project(self, repo: str, base: str) -> ProjectConfig:
        """Return the repository's `loopy.toml` at the commit; an absent one says nothing. Raises ConfigError."""
        key = (repo, base)
        if key not in self._read:
            text = self.repositories.read(repo, base, FILE)
            found = (
                parse_project(text.decode("utf-8", "replace"), f"{FILE} at {base[:12]}") if text else ProjectConfig()
            )
            self._read[key] = found
        return self._read[key]
