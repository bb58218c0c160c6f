"""Who may say what in a policy: loading, and tightening by a lower authority; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ValidationError

from loopy.domain.errors import ConfigError
from loopy.domain.held import GRADES
from loopy.domain.policy import ChangeLimits, Policy, Verb

_VERBS = (Verb.ALLOW, Verb.ASK, Verb.DENY)
_APPROVALS: tuple[Literal["never", "asked", "always"], ...] = ("never", "asked", "always")
NOTHING = ("-",)  # a repository pattern that no repository matches: two authorities agree on none


def load(data: Mapping[str, Any], where: str = "policy") -> Policy:
    """Return the policy of a parsed TOML table: keys known, every rule able to hit, examples tried. Raises ConfigError."""
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (where, *first["loc"]))
        more = error.error_count() - 1
        hint = f"and {more} more faults" if more else ""
        raise ConfigError(key, first["msg"].removeprefix("Value error, "), hint=hint) from error


def tighten(higher: Policy, lower: Policy) -> Policy:
    """Return the policy of both: whatever the lower authority says, nothing that the higher one holds is loosened.

    What the lower one does not state (`model_fields_set`) leaves the higher one's word as it is.
    """
    said = lower.model_fields_set
    return higher.model_copy(
        update={
            "name": f"{higher.name}+{lower.name}",
            "repos": _both(higher.repos, lower.repos) if lower.repos else higher.repos,
            "paths": higher.paths + tuple(rule for rule in lower.paths if rule not in higher.paths),
            "limits": _limits(higher.limits, lower.limits) if "limits" in said else higher.limits,
            "approve": max(higher.approve, lower.approve, key=_APPROVALS.index)
            if "approve" in said
            else higher.approve,
            "approve_run": higher.approve_run or lower.approve_run,
            "sandbox": max(higher.sandbox, lower.sandbox, key=GRADES.index) if "sandbox" in said else higher.sandbox,
            "network": tuple(h for h in higher.network if h in lower.network) if "network" in said else higher.network,
            "turns": min(higher.turns, lower.turns) if "turns" in said else higher.turns,
            "budget_micros": _least(higher.budget_micros, lower.budget_micros),
        }
    )


def _both(higher: tuple[str, ...], lower: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(repo for repo in lower if not higher or _within(repo, higher)) or NOTHING


def _within(repo: str, allowed: tuple[str, ...]) -> bool:
    """Whether every repository that the pattern `repo` names is named by one of the allowed patterns."""
    parts = repo.rstrip("/").split("/")
    wanted = (pattern.rstrip("/").split("/") for pattern in allowed)
    return any(len(w) == len(parts) and all(a in {"*", b} for a, b in zip(w, parts, strict=True)) for w in wanted)


def _limits(higher: ChangeLimits, lower: ChangeLimits) -> ChangeLimits:
    update: dict[str, Any] = {}
    for name in lower.model_fields_set:
        above, below = getattr(higher, name), getattr(lower, name)
        update[name] = max(above, below, key=_VERBS.index) if isinstance(above, Verb) else min(above, below)
    return higher.model_copy(update=update)


def _least(higher: int | None, lower: int | None) -> int | None:
    stated = [budget for budget in (higher, lower) if budget is not None]
    return min(stated) if stated else None
