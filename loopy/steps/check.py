"""The check step: set-up and every check in a clean checkout of the very tree that will ship."""

from __future__ import annotations

from loopy.domain.agent import Tried
from loopy.domain.change import Change
from loopy.domain.check import CheckReport
from loopy.domain.plan import Plan
from loopy.ports import Checker, Leash, Workspace, Workspaces


def check(
    plan: Plan, change: Change, place: Workspace, workspaces: Workspaces, checker: Checker, leash: Leash
) -> CheckReport | Tried:
    """Return the report of all checks on the change's tree; commands come from the plan, never from the agent's tree."""
    with workspaces.checkout(place, change.tree, leash.token) as at:
        return checker.run(plan.checks, plan.setup, change.tree, at, place, leash)


def alike(report: CheckReport, before: CheckReport | None) -> bool:
    """Whether two turns failed in the same way: the same checks, with the same failing tests."""
    if before is None or report.passed or before.passed:
        return False
    return _shape(report) == _shape(before)


def _shape(report: CheckReport) -> frozenset[tuple[str, int | None, tuple[str, ...]]]:
    objections = ((f"{o.kind} by {o.agent}", None, ()) for o in report.objections)
    return frozenset([*((r.name, r.exit_code, r.failed_tests) for r in report.failed), *objections])
