"""An agent: a governed, named, reusable worker; and what one turn of it came to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, field_validator

from loopy.domain.failures import Failure
from loopy.domain.policy import Policy
from loopy.domain.value import Value


class AgentKind(StrEnum):
    """What an agent is for."""

    CODE = "code"
    TEST = "test"
    DOCS = "docs"
    REVIEW = "review"
    SECURITY = "security"


class Agent(Value):
    """A named worker: a CLI of the catalogue (or a command), a model, an inline policy, limits, authorised successors."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    kind: AgentKind = AgentKind.CODE
    cli: str = "command"  # a catalogue entry; "command" runs `argv`
    argv: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)  # literal values; names of secrets go into `pass_env`
    pass_env: tuple[str, ...] = ()
    model: str = ""
    account: str = ""  # agents of one account share its usage limit; default: the cli
    concurrency: int = Field(default=2, ge=1, le=64)
    idle_s: int = Field(default=300, ge=1)
    wall_s: int = Field(default=3600, ge=1)
    file_mb: int = Field(default=16_384, ge=0, le=1 << 40)  # the largest file that it may write; 0 sets no limit
    fallback: tuple[str, ...] = ()  # the authorised chain, in order
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
