"""What every surface needs of a home, each part made when it is first asked for."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from loopy.domain.agent import Agent
from loopy.domain.errors import ConfigError
from loopy.engine.admission import Admission
from loopy.engine.intake import Intake
from loopy.settings.home import ensure_home, install_id
from loopy.settings.load import load_settings
from loopy.settings.model import Settings
from loopy.store.graph import SqlGraph
from loopy.store.migrate import migrate

if TYPE_CHECKING:
    from celery import Celery

    from loopy.engine.policies import MergedPolicies
    from loopy.ports import Sandbox
    from loopy.queue.doorbell import CeleryDoorbell
    from loopy.sandbox.choose import Asked
    from loopy.workspace.mirrors import Mirrors

# What a remote call may use of the operator: credentials by the usual agents and helpers.
REMOTE_VARIABLES = (
    "HOME",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "XDG_CONFIG_HOME",
)

log = logging.getLogger("loopy.settings")


class SystemClock:
    """The wall's time, and CLOCK_MONOTONIC (which stands still while the host is suspended, on Linux and macOS)."""

    def now(self) -> datetime:
        """Return the aware UTC time."""
        return datetime.now(UTC)

    def awake(self) -> float:
        """Return seconds on the monotonic clock."""
        return time.monotonic()


class SettingsFleet:
    """The agents that the operator's file names; a change of the file counts at once, a broken one not at all."""

    def __init__(self, settings: Settings, env: Mapping[str, str]) -> None:
        self._file, self._home, self._env = settings.file, settings.home, env
        self._agents: Mapping[str, Agent] = settings.agents
        self._stamp = -1  # the file may have changed since the settings were read

    def agents(self) -> Mapping[str, Agent]:
        """Return every agent by name."""
        stamp = self._changed()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._agents = load_settings(self._env, self._home).agents
            except ConfigError as error:
                log.warning("the agents stay as they were: %s", error)
        return self._agents

    def _changed(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except OSError:
            return 0


@dataclass(frozen=True)
class LateDoorbell:
    """Loads Celery only when the first ring is pressed: most commands never ring."""

    services: Services

    def ring(self, run_id: str, epoch: int, steps: Sequence[str], priority: int = 0) -> bool:
        """Press the doorbell; see `CeleryDoorbell.ring`."""
        return self.services.bell.ring(run_id, epoch, steps, priority)


@dataclass(frozen=True)
class Services:
    """What every surface needs; each part is made when it is first asked for."""

    settings: Settings
    env: Mapping[str, str]
    clock: SystemClock = field(default_factory=SystemClock)

    @cached_property
    def graph(self) -> SqlGraph:
        """The work graph, migrated."""
        graph = SqlGraph(self.settings.database_url, self.clock.now)
        migrate(self.settings.database_url, graph.path)
        return graph

    @cached_property
    def broker_url(self) -> str:
        """The broker that was asked for, else the embedded one in the home."""
        from loopy.queue.embedded.url import embedded_url

        return self.settings.broker_url or embedded_url(self.settings.broker_db)

    @cached_property
    def app(self) -> Celery:
        """The Celery app, without tasks."""
        from loopy.queue.app import make_app

        return make_app(self.broker_url)

    @cached_property
    def bell(self) -> CeleryDoorbell:
        """The doorbell on the app."""
        from loopy.queue.doorbell import CeleryDoorbell

        return CeleryDoorbell(self.app)

    @cached_property
    def fleet(self) -> SettingsFleet:
        """The agents."""
        return SettingsFleet(self.settings, self.env)

    @cached_property
    def intake(self) -> Intake:
        """The front desk."""
        return Intake(self.graph, Admission(self.settings.limits, self.fleet), LateDoorbell(self))

    @cached_property
    def repositories(self) -> Mirrors:
        """The mirrors."""
        from loopy.git.remote import Operator
        from loopy.workspace.folders import Folders
        from loopy.workspace.mirrors import Mirrors

        folders = Folders(self.settings.mirrors, self.settings.work, self.settings.runs)
        return Mirrors(folders, operator=Operator({k: self.env[k] for k in REMOTE_VARIABLES if k in self.env}))

    @cached_property
    def policies(self) -> MergedPolicies:
        """Policies merged by authority."""
        from loopy.engine.policies import MergedPolicies

        return MergedPolicies(self.settings.policy, self.repositories)

    @cached_property
    def sandbox(self) -> Sandbox:
        """What boxes agents and checks in, by the settings and what this host can do. Raises ConfigError."""
        from loopy.sandbox.choose import choose_sandbox

        return choose_sandbox(sandbox_asked(self.settings, self.env))

    @cached_property
    def install_id(self) -> str:
        """The random id of this installation."""
        return install_id(self.settings.home)

    def run_folder(self, run_id: str) -> Path:
        """Return where a run's transcripts, evidence and receipt lie."""
        return self.repositories.folders.of_run(run_id)


def sandbox_asked(settings: Settings, env: Mapping[str, str]) -> Asked:
    """Return what these settings ask of a sandbox."""
    from loopy.sandbox.choose import Asked

    return Asked(
        backend=settings.sandbox.backend,
        grade=settings.policy.sandbox,
        path=env.get("PATH", ""),
        home=Path(env.get("HOME") or "/nonexistent"),
        shut=(settings.home,),
        writable=tuple(map(Path, settings.sandbox.writable)),
        readable=tuple(map(Path, settings.sandbox.readable)),
    )


def services(env: Mapping[str, str] | None = None, home: Path | None = None) -> Services:
    """Return the services of a home, which is made if it is not there. Raises ConfigError."""
    env = dict(os.environ if env is None else env)
    settings = load_settings(env, home)
    ensure_home(settings)
    return Services(settings, env)
