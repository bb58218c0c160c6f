"""What the operator may say, and the folders that follow from where the home is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, field_validator

from loopy.domain.agent import Account, Agent
from loopy.domain.limits import Limits
from loopy.domain.outward import refuse_credentials
from loopy.domain.policy import Policy
from loopy.domain.project import ProjectConfig, ShipTo
from loopy.domain.repository import parse
from loopy.domain.value import Value

BROKERS = ("redis", "rediss", "redis+socket", "sentinel", "amqp", "amqps", "pyamqp")
VALKEY = {"valkey": "redis", "valkeys": "rediss"}
DATABASES = ("sqlite", "postgresql")


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class HostLimits(Limits):
    """How much this host does at once; `checks` counts commands that keep a core busy."""

    checks: int = Field(default_factory=cores, ge=1)
    reserve: int = Field(default=2, ge=1)  # threads that only control messages and checks may take


class WorkerSettings(Value):
    """The worker process that `loopy up` starts."""

    concurrency: int | None = Field(default=None, ge=2, le=256)  # threads; default: enough for the limits
    deaf_s: int = Field(
        default=60, ge=0, le=3600
    )  # an idle worker that hears nothing for so long starts anew; 0: never


class SandboxSettings(Value):
    """How agents and checks are boxed in; "none" is the operator's explicit word and shown in red everywhere.

    "auto" is "none" under a policy that says so, else bubblewrap; where that does not work every run is refused.
    """

    backend: Literal["auto", "bubblewrap", "landlock", "none"] = "auto"
    writable: tuple[str, ...] = ()  # further folders a command may write to
    readable: tuple[str, ...] = ()  # further folders and files a command may read

    @field_validator("writable", "readable")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if not path.startswith("/") or path == "/":
                msg = f"'{path}' should be an absolute path below /"
                raise ValueError(msg)
        return paths


class CheckSettings(Value):
    """What set-up and checks get of the operator's environment beyond the built-in allow-list."""

    pass_env: tuple[str, ...] = ()  # names of variables, e.g. PIP_INDEX_URL
    setup_timeout_s: int = Field(default=1800, ge=1, le=86_400)

    @field_validator("pass_env")
    @classmethod
    def _no_credentials(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        refuse_credentials(names)
        return names


class Operator(Value):
    """Everything that the home's `loopy.toml` may say."""

    database_url: str = Field(default="", repr=False)  # "": a file in the home
    broker_url: str | None = Field(default=None, repr=False)  # None: the embedded broker in the home
    identity: str = Field(default="", pattern=r"^[^\s:]*$")  # who answers approvals; default: the user of the system
    lease_s: int = Field(default=30, ge=5, le=3600)
    limits: HostLimits = Field(default_factory=HostLimits)
    worker: WorkerSettings = WorkerSettings()
    checks: CheckSettings = CheckSettings()
    sandbox: SandboxSettings = SandboxSettings()
    policy: Policy = Policy()
    ship: ShipTo = ShipTo()
    accounts: dict[str, Account] = Field(default_factory=dict)
    agents: dict[str, Agent] = Field(default_factory=dict)
    repos: dict[str, ProjectConfig] = Field(default_factory=dict)  # by path or URL; stands above the repository's own

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        scheme = urlsplit(url).scheme.split("+")[0]
        if url and (scheme not in DATABASES or "://" not in url):
            msg = f"begins with '{scheme}:'; should be sqlite:///PATH or postgresql://USER@HOST/NAME"
            raise ValueError(msg)
        return f"postgresql+psycopg://{url.removeprefix('postgresql://')}" if url.startswith("postgresql://") else url

    @field_validator("broker_url")
    @classmethod
    def _fit_broker(cls, url: str | None) -> str | None:
        if not url:
            return None
        scheme = url.partition("://")[0]
        if scheme in VALKEY:
            return VALKEY[scheme] + url.removeprefix(scheme)
        if scheme not in BROKERS:
            # kombu's filesystem and sqlalchemy transports lose or tear messages
            msg = f"'{scheme}' is no broker Loopy can trust; should be redis://, rediss://, amqp:// or amqps://"
            raise ValueError(msg)
        return url


class Settings(Operator):
    """The operator's word with the home and, for each value that was said, where it came from."""

    home: Path
    sources: dict[str, str] = Field(default_factory=dict)  # dotted key -> "default", a file, or a variable

    @property
    def file(self) -> Path:
        """The operator's file."""
        return self.home / "loopy.toml"

    @property
    def db(self) -> Path:
        """The work graph, unless `database_url` names another."""
        return self.home / "loopy.db"

    @property
    def broker_db(self) -> Path:
        """The embedded broker's file."""
        return self.home / "broker.db"

    @property
    def keys(self) -> Path:
        """Signing keys."""
        return self.home / "keys"

    @property
    def agents_dir(self) -> Path:
        """The operator's own catalogue rows."""
        return self.home / "agents"

    @property
    def mirrors(self) -> Path:
        """Bare mirrors, one per repository (`repos/`)."""
        return self.home / "repos"

    @property
    def work(self) -> Path:
        """Workspaces, one per run."""
        return self.home / "work"

    @property
    def runs(self) -> Path:
        """Transcripts, evidence and receipts, one folder per run."""
        return self.home / "runs"

    @property
    def alive(self) -> Path:
        """Kernel locks of living workers."""
        return self.home / "alive"

    @property
    def slots(self) -> Path:
        """Kernel locks of what this host runs only so many of at once."""
        return self.home / "slots"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.home / "logs"

    @property
    def threads(self) -> int:
        """Threads of the worker: as said, else every slot that the limits allow plus the reserve."""
        return self.worker.concurrency or self.limits.turns + self.limits.steps + self.limits.reserve

    def for_repo(self, repo: str) -> ProjectConfig | None:
        """Return what the operator says about this repository, by its canonical name."""
        name = parse(repo).name
        return next((said for where, said in self.repos.items() if parse(where).name == name), None)

    def ship_for(self, repo: str) -> ShipTo:
        """Return where the operator sends this repository's changes (see `loopy.domain.project.ships_to`)."""
        said = self.for_repo(repo)
        return said.ship if said is not None and said.ship is not None else self.ship


def shown(url: str) -> str:
    """Return the URL with its password hidden, for people."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    return urlunsplit(parts._replace(netloc=re.sub(r":[^@]*@", ":…@", parts.netloc)))
