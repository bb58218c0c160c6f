"""The closed list of what can go wrong in a run, each with one owner and one rule."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

FULL_DISK = frozenset({errno.ENOSPC, errno.EDQUOT})  # what failed of it proves nothing, and is tried again with room


class Failure(StrEnum):
    """Why an attempt or a run did not succeed."""

    QUOTA = "quota"
    THROTTLE = "throttle"
    CAPACITY = "capacity"
    AUTH = "auth"
    BILLING = "billing"
    CONTEXT_OVERFLOW = "context_overflow"
    AGENT_MISSING = "agent_missing"
    AGENT_CRASH = "agent_crash"
    AGENT_STALLED = "agent_stalled"
    NO_CHANGE = "no_change"
    CHECKS_FAILED = "checks_failed"
    POLICY_REFUSED = "policy_refused"
    CONFLICT = "conflict"
    BUDGET = "budget"
    WORKSPACE = "workspace"
    DISK_FULL = "disk_full"
    CANCELLED = "cancelled"
    WORKER_LOST = "worker_lost"
    UNREACHABLE = "unreachable"
    INTERNAL = "internal"


class Remedy(StrEnum):
    """What the engine does next."""

    RETRY = "retry"  # the same step again, at most `tries` times, then end
    FAIL_OVER = "fail_over"  # the next agent of the chain, in the same workspace
    NEXT_TURN = "next_turn"  # the failure is the next turn's feedback
    PARK = "park"  # wait without a worker, then try again
    END = "end"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: who acts, what is done, how often a retry is worth it, and the advice shown to a person."""

    owner: str
    remedy: Remedy
    tries: int = 1
    cooldown_s: int = 0
    advice: str = ""


RULES: Mapping[Failure, Rule] = MappingProxyType(
    {
        Failure.QUOTA: Rule("failover", Remedy.FAIL_OVER, cooldown_s=300, advice="waits for the stated reset"),
        Failure.THROTTLE: Rule(
            "failover", Remedy.FAIL_OVER, cooldown_s=60, advice="a short limit; it passes by itself"
        ),
        Failure.CAPACITY: Rule("failover", Remedy.FAIL_OVER, cooldown_s=120, advice="the provider is overloaded"),
        Failure.AUTH: Rule("failover", Remedy.FAIL_OVER, cooldown_s=3600, advice="log the agent in again"),
        Failure.BILLING: Rule("failover", Remedy.FAIL_OVER, cooldown_s=3600, advice="the account is out of credit"),
        Failure.CONTEXT_OVERFLOW: Rule("failover", Remedy.FAIL_OVER, advice="the task is too long for this model"),
        Failure.AGENT_MISSING: Rule("failover", Remedy.FAIL_OVER, cooldown_s=600, advice="install the agent's program"),
        Failure.AGENT_CRASH: Rule("code", Remedy.RETRY, tries=3, advice="see the transcript"),
        Failure.AGENT_STALLED: Rule("failover", Remedy.FAIL_OVER, cooldown_s=120, advice="the agent fell silent"),
        Failure.NO_CHANGE: Rule("check", Remedy.NEXT_TURN, advice="the agent changed nothing"),
        Failure.CHECKS_FAILED: Rule("check", Remedy.NEXT_TURN, advice="see the failing checks"),
        Failure.POLICY_REFUSED: Rule("code", Remedy.END, advice="see the findings; change the policy or the ticket"),
        Failure.CONFLICT: Rule("ship", Remedy.NEXT_TURN, advice="the target branch moved"),
        Failure.BUDGET: Rule("code", Remedy.END, advice="raise the budget and retry"),
        Failure.WORKSPACE: Rule("code", Remedy.RETRY, tries=2, advice="the workspace is made anew"),
        Failure.DISK_FULL: Rule("sweep", Remedy.PARK, tries=60, cooldown_s=60, advice="free some disk space"),
        Failure.CANCELLED: Rule("cancel", Remedy.END, advice="cancelled by a person"),
        Failure.WORKER_LOST: Rule("sweep", Remedy.RETRY, tries=4, advice="its worker died; the step is done again"),
        Failure.UNREACHABLE: Rule("ship", Remedy.PARK, tries=3, cooldown_s=30, advice="the target does not answer"),
        Failure.INTERNAL: Rule("perform", Remedy.RETRY, tries=3, advice="a defect of Loopy; see the log"),
    }
)
