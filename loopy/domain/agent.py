"""An agent: a governed, named, reusable worker; and what one turn of it came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from loopy.domain.failures import Failure
from loopy.domain.held import Held
from loopy.domain.policy import Policy
from loopy.domain.value import Value

NAME = r"[a-z0-9][a-z0-9_-]{0,39}"


class AgentKind(StrEnum):
    """What an agent is for."""

    CODE = "code"
    TEST = "test"
    DOCS = "docs"
    REVIEW = "review"
    SECURITY = "security"


def _folder(path: str) -> str:
    if path and not path.startswith(("/", "~/")):
        msg = f"'{path}' should be an absolute path, or begin with ~/"
        raise ValueError(msg)
    return path


Folder = Annotated[str, AfterValidator(_folder)]


class Account(Value):
    """One login of a CLI, with a usage limit of its own; several of them make a pool (`Agent.accounts`)."""

    name: str = Field(pattern=rf"^{NAME}$")
    config_home: Folder = ""  # the folder that holds the login, such as ~/.claude-work
    env: dict[str, str] = Field(default_factory=dict)
    pass_env: tuple[str, ...] = ()  # such as the variable with this account's key
    concurrency: int | None = Field(default=None, ge=1, le=64)  # default: the agent's


class Agent(Value):
    """A named worker: a CLI of the catalogue (or a command), a model, an inline policy, limits, authorised successors."""

    name: str = Field(pattern=rf"^{NAME}(@{NAME})?$")  # NAME@ACCOUNT: the agent on a further account of its pool
    kind: AgentKind = AgentKind.CODE
    cli: str = "command"  # a catalogue entry; "command" runs `argv`
    argv: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)  # literal values; names of secrets go into `pass_env`
    pass_env: tuple[str, ...] = ()
    model: str = ""
    drive: Literal["", "print", "acp"] = ""  # headless, or over the Agent Client Protocol; default: as the entry says
    account: str = ""  # agents of one account share its usage limit; default: the cli
    accounts: tuple[
        str, ...
    ] = ()  # a pool of `[accounts]`, in order: the next one takes over before another agent does
    config_home: Folder = ""  # the folder that holds the login, instead of the operator's own
    concurrency: int = Field(default=2, ge=1, le=64)
    day_budget_micros: int | None = Field(default=None, ge=0)  # of its account, from midnight to midnight UTC
    idle_s: int = Field(default=300, ge=1)
    wall_s: int = Field(default=3600, ge=1)
    file_mb: int = Field(default=16_384, ge=0, le=1 << 40)  # the largest file that it may write; 0 sets no limit
    fallback: tuple[str, ...] = ()  # the authorised chain, in order
    failover: bool = True  # false: at a limit it waits for its own reset
    policy: Policy | None = None
    scripted: bool = False  # a stand-in, labelled so wherever it shows

    @field_validator("argv")
    @classmethod
    def _no_nul(cls, argv: tuple[str, ...]) -> tuple[str, ...]:
        if any("\0" in word for word in argv):
            msg = "a command holds no NUL byte"
            raise ValueError(msg)
        return argv

    @property
    def billed_to(self) -> str:
        """The account whose usage limit this agent shares."""
        return self.account or (self.name if self.cli == "command" else self.cli)


def pooled(agents: Mapping[str, Agent], accounts: Mapping[str, Account]) -> dict[str, Agent]:
    """Return the agents with one more for each further account of a pool: NAME on the first, NAME@ACCOUNT on the others.

    Wherever an agent may take over, its whole pool may, and those of one pool take over from each other first. Raises
    KeyError for an account or a successor that is not there.
    """
    pools = {
        name: [_on(agent, accounts[a], n) for n, a in enumerate(agent.accounts)] or [agent]
        for name, agent in agents.items()
    }
    found = {}
    for pool in pools.values():
        for agent in pool:
            others = [other.name for other in pool if other is not agent]
            others += [other.name for name in agent.fallback for other in pools[name]]
            found[agent.name] = agent.model_copy(update={"fallback": tuple(others)})
    return found


def _on(agent: Agent, account: Account, n: int) -> Agent:
    changes: dict[str, object] = {"account": account.name, "env": agent.env | account.env}
    changes |= {"pass_env": (*agent.pass_env, *account.pass_env), "accounts": ()}
    changes |= {"name": f"{agent.name}@{account.name}"} if n else {}
    changes |= {"config_home": account.config_home} if account.config_home else {}
    changes |= {"concurrency": account.concurrency} if account.concurrency else {}
    return agent.model_copy(update=changes)


class Usage(Value):
    """What a turn of an agent consumed, as far as the agent says; None means not stated."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_micros: int | None = None  # millionths of a US dollar


class Turned(Value):
    """One turn of an agent that ended by itself; the change is looked at separately."""

    kind: Literal["turned"] = "turned"
    session_id: str = ""
    model: str = ""  # as reported by the agent
    message: str = ""  # the agent's last words, quoted as such
    usage: Usage = Usage()
    exit_code: int | None = 0
    cli_version: str = ""
    transcript: str = ""  # path relative to the run's folder
    held: Held | None = None  # by what the agent was boxed in
    transcript_sha256: str = ""


class Tried(Value):
    """A try that did not come to an outcome: a limit, a crash, a cancel; becomes a row in `attempt`."""

    kind: Literal["tried"] = "tried"
    failure: Failure
    detail: str = ""
    resets_at: datetime | None = None
    agent: str = ""
    account: str = ""
    session_id: str = ""
    transcript: str = ""
    transcript_sha256: str = ""
