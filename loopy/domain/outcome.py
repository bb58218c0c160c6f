"""What a step gives back: an outcome that is final for (run, turn, step), or a try that is not one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from loopy.domain.agent import Tried, Turned
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.failures import Failure
from loopy.domain.plan import Plan, Routed, Sized
from loopy.domain.policy import Decision
from loopy.domain.states import Verdict
from loopy.domain.value import Value

SCHEMA = 3  # of every stored outcome; a higher one waits for a newer worker


class Coded(Value):
    """The agent's turn and the snapshot that Loopy took of it, with the gate's decision on that very tree."""

    kind: Literal["coded"] = "coded"
    agent: str
    turned: Turned
    change: Change
    decision: Decision


class Unchanged(Value):
    """A turn that left the tree as it was; never a success."""

    kind: Literal["unchanged"] = "unchanged"
    agent: str
    turned: Turned


class FailedOver(Value):
    """Where a run went after a limit: to another agent, or to wait until one is free. Recorded as an attempt."""

    kind: Literal["failed_over"] = "failed_over"
    why: Failure
    from_agent: str
    to_agent: str = ""
    account: str = ""
    wake_at: datetime | None = None


class Packed(Value):
    """The evidence pack on disk, named by digest, with what the run will end as if shipping succeeds."""

    kind: Literal["packed"] = "packed"
    verdict: Verdict
    reason: str = ""
    json_sha256: str
    markdown_sha256: str
    patch_sha256: str = ""  # of `ship.patch`, for a run that passed
    subject: str = ""  # what an approval binds to: sha256 over raw diff, plan and policy
    needs_approval: bool = False


class Shipped(Value):
    """What left the machine and was read back; `head` is empty for a run with nothing to ship."""

    kind: Literal["shipped"] = "shipped"
    head: str = ""
    ref: str = ""
    target: str = ""
    read_back: str = ""
    bundle_sha256: str = ""  # of `ship.bundle`


class NotShipped(Value):
    """Shipping that ended without a branch: stopped by a cancel, or with an effect nobody can look up."""

    kind: Literal["not_shipped"] = "not_shipped"
    failure: Failure
    detail: str = ""


class Rebased(Value):
    """A refused ship put on the target's new tip: the next turn's change, or None when it conflicts with it."""

    kind: Literal["rebased"] = "rebased"
    base: str
    change: Change | None = None
    decision: Decision | None = None
    detail: str = ""


Outcome = Annotated[
    Plan | Sized | Routed | Coded | Unchanged | CheckReport | Packed | Shipped | NotShipped | Rebased,
    Field(discriminator="kind"),
]
StepResult = (
    Plan
    | Sized
    | Routed
    | Coded
    | Unchanged
    | CheckReport
    | Packed
    | Shipped
    | NotShipped
    | Rebased
    | Tried
    | FailedOver
)

OUTCOMES: TypeAdapter[Outcome] = TypeAdapter(Outcome)
