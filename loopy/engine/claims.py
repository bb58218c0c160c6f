"""Claim and finish: the two transactions around every step, and the only places that fence by token (rules 2-5, 13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from loopy.domain.agent import Tried
from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure
from loopy.domain.outcome import FailedOver, Outcome, Rebased, StepResult
from loopy.domain.run import Claim, Run
from loopy.domain.states import RunState, Segment, Step, Verdict, is_behind
from loopy.engine.decide import Facts, Next, decide
from loopy.engine.graph import Tx
from loopy.engine.moves import abort, dispatch, onward, ready, to_finish, wait


@dataclass(frozen=True, slots=True)
class Superseded:
    """No claim for this delivery; its chain goes on only when the step is behind the position (rule 3)."""

    chain_goes_on: bool


def claim(tx: Tx, run_id: str, step: Step, epoch: int, worker: str, host: str) -> Claim | Superseded:
    """Take the right to perform a step: state, step, epoch, no owner; a cancelled run only in `finish` (rule 2)."""
    run = tx.runs.get(run_id)
    if run is None:
        return Superseded(chain_goes_on=False)
    if not (run.state is RunState.QUEUED and run.owner is None and (run.step, run.epoch) == (step, epoch)):
        behind = run.epoch == epoch and is_behind(run.segment, step, run.step)
        return Superseded(chain_goes_on=behind)
    if run.cancel and run.segment is not Segment.FINISH:
        return Superseded(chain_goes_on=False)
    changes: dict[str, Any] = {
        "state": RunState.RUNNING,
        "owner": worker,
        "host": host,
        "token": run.token + 1,
        "beat": 0,
    }
    claimed = tx.runs.move(run, "step.claimed", **changes)
    crashpoint("claim.in_transaction")
    return Claim(claimed, worker)


def mine(tx: Tx, held: Claim) -> Run:
    """Return the run's row if the claim's token is current. Raises LostError otherwise: stop, write nothing."""
    run = tx.runs.get(held.run.id)
    if run is None or run.token != held.token or run.state is not RunState.RUNNING:
        raise LostError(held.run.id, f"token {held.token} is not current")
    return run


def finish(tx: Tx, held: Claim, result: StepResult, facts: Facts, end: Callable[[Run, Next], Run]) -> Run:
    """Record the outcome or the attempt and make the next move, in one transaction (rules 4, 5).

    The owner is released and the token moves on in the same update. `end` writes the receipt and the last move.
    """
    run = mine(tx, held)
    _record(tx, run, result)
    crashpoint("finish.in_transaction")
    if run.cancel and run.segment is not Segment.FINISH:
        return abort(tx, run)
    return _make(tx, run, result, decide(run, result, facts), end)


def _record(tx: Tx, run: Run, result: StepResult) -> None:
    match result:
        case Tried():
            tx.runs.add_attempt(run, result)
        case FailedOver():
            tried = Tried(failure=result.why, agent=result.from_agent, account=run.account, resets_at=result.wake_at)
            tx.runs.add_attempt(run, tried, to_agent=result.to_agent)
        case Rebased():
            tx.runs.add_attempt(run, Tried(failure=Failure.CONFLICT, detail=result.detail))
        case _:
            tx.runs.add_outcome(run, result)


def _make(tx: Tx, run: Run, result: StepResult, move: Next, end: Callable[[Run, Next], Run]) -> Run:
    changes: dict[str, Any] = {"token": run.token + 1, "deaths": 0, "strikes": 0} | dict(move.changes)
    match move.how:
        case "onward":
            return onward(tx, run, move.step, move.text, **changes)
        case "ready":
            moved = ready(tx, run, move.segment, move.step, move.text, **changes)
            if isinstance(result, Rebased) and result.change is not None:
                _carry(tx, moved, result)
            return moved
        case "dispatch":
            return dispatch(tx, run, move.segment, move.step, move.text, **changes)
        case "wait":
            assert move.wait is not None
            where = {"segment": move.segment, "step": move.step}
            return wait(tx, run, move.wait, move.until, move.text, **(where | changes))
        case "finish":
            return to_finish(tx, run, move.verdict or Verdict.FAILED, move.reason, move.text, **changes)
        case "end":
            return end(run, move)


def _carry(tx: Tx, moved: Run, rebased: Outcome) -> None:
    """Record the rebased change as the new turn's `code` outcome: a rebase is a turn from `check` (rule 4)."""
    tx.runs.add_outcome(replace(moved, step=Step.CODE), rebased)
