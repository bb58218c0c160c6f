"""Perform one delivery: claim, do the step, finish, ring; the whole life of a task on one page."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

from loopy.domain.agent import Tried
from loopy.domain.crashpoints import crashpoint
from loopy.domain.errors import AwayError, ConfigError, FullError, GitError, LostError, MigrationError, WorkspaceError
from loopy.domain.failures import FULL_DISK, Failure
from loopy.domain.outcome import Coded, NotShipped, StepResult, Unchanged
from loopy.domain.plan import Routed
from loopy.domain.run import Claim, Run
from loopy.domain.states import RunState, Segment, Step, Wait
from loopy.engine import moves
from loopy.engine.bell import ring_all
from loopy.engine.claims import Superseded, claim, finish, mine
from loopy.engine.decide import Next
from loopy.engine.desk import Desk
from loopy.engine.ending import end
from loopy.engine.facts import Ground, ground
from loopy.engine.failover import cool
from loopy.engine.graph import Tx
from loopy.engine.moves import Ring
from loopy.engine.order import AGAIN_S, FLUSH_S
from loopy.engine.publish import publish
from loopy.engine.pulse import ClaimLeash, Pulse
from loopy.engine.spending import settle
from loopy.engine.takeover import free_dead
from loopy.engine.work import WORK

PROOFS = (Coded, Unchanged)  # turns that ended by themselves: the account has tokens, so it may be used as widely again

log = logging.getLogger("loopy.engine")
T = TypeVar("T")


@dataclass(frozen=True)
class Performer:
    """Performs deliveries for one worker process; thread-safe, since all state is in the graph."""

    desk: Desk
    pulse: Pulse

    def perform(self, run_id: str, step: Step, epoch: int) -> bool:
        """Do what one message asks for, if it is still to be done; return whether the rest of its chain goes on."""
        held = self._claim(run_id, step, epoch)
        if isinstance(held, Superseded) and self._freed_the_dead(run_id):
            held = self._claim(run_id, step, epoch)
        if isinstance(held, Superseded):
            return held.chain_goes_on
        crashpoint("claim.after_commit")
        try:
            with self.pulse.leash(held) as leash:
                try:
                    result = self._work(held, leash)
                except AwayError as away:  # nothing was decided: the step is done again
                    return self._patiently(leash, partial(self._give_back, leash, f"the graph was away: {away}"))
                on = self._ground(held, result)
                if self.pulse.draining.is_set() and isinstance(result, Tried | NotShipped):
                    return self._give_back(leash, "its worker stopped")
                moved, rings = self._record(leash, result, on)
            return self._go_on(held, moved, rings)
        except LostError as lost:
            log.info("stopped: %s", lost)
        except MigrationError as newer:
            self._await_version(held, str(newer))
        return False

    def _freed_the_dead(self, run_id: str) -> bool:
        """Free the run when its owner died; a redelivery may come before the sweep has seen that."""
        with self.desk.graph.read() as tx:
            run = tx.runs.get(run_id)
        if run is None or run.owner in (None, self.desk.worker) or run.host != self.desk.host:
            return False
        if not self.desk.alive.dead(run.owner):
            return False
        ring_all(self.desk.doorbell, free_dead(self.desk, run.owner))
        return True

    def _claim(self, run_id: str, step: Step, epoch: int) -> Claim | Superseded:
        if self.pulse.closing.is_set():
            return Superseded(chain_goes_on=False)
        with self.desk.graph.write() as tx:
            return claim(tx, run_id, step, epoch, self.desk.worker, self.desk.host)

    def _work(self, held: Claim, leash: ClaimLeash) -> StepResult:
        """Return the step's result; whatever rises becomes an attempt with its reason."""
        try:
            return WORK[held.run.step](self.desk, held, leash)
        except FullError as error:
            return Tried(failure=Failure.DISK_FULL, detail=str(error))
        except (LostError, MigrationError, AwayError):
            raise
        except (ConfigError, WorkspaceError, GitError) as error:
            return Tried(failure=Failure.WORKSPACE, detail=str(error))
        except Exception as error:  # recorded: the run's history says what rose, the log says where
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                return Tried(failure=Failure.DISK_FULL, detail=str(error))
            log.exception("%s of %s failed", held.run.step, held.run.id)
            return Tried(failure=Failure.INTERNAL, detail=f"{type(error).__name__}: {error}"[:1000])

    def _ground(self, held: Claim, result: StepResult) -> Ground:
        """Return the policy that the finish decides by; a chosen agent's own policy counts from its choice on."""
        try:
            return ground(self.desk, held.run, result.agent if isinstance(result, Routed) else held.run.agent)
        except (ConfigError, WorkspaceError, GitError):  # the step has failed of it, too: the operator's word remains
            return ground(self.desk, replace(held.run, base=""), "")

    def _record(self, leash: ClaimLeash, result: StepResult, on: Ground) -> tuple[Run, list[Ring]]:
        """Finish, whatever it takes: nobody pays a turn twice (rule 5)."""
        return self._patiently(leash, partial(self._finish, leash, result, on))

    def _patiently(self, leash: ClaimLeash, act: Callable[[], T]) -> T:
        """Try to write until it is on record, as long as the claim is kept alive."""
        pause = FLUSH_S
        while not leash.lost:
            try:
                return act()
            except AwayError as error:
                if self.desk.clock.awake() > leash.deadline:
                    raise
                if pause == FLUSH_S:
                    log.warning(
                        "%s: the result of %s waits for the graph: %s", leash.run_id, leash.claim.run.step, error
                    )
            self.desk.pause(pause)
            pause = min(2 * pause, AGAIN_S)
        raise LostError(leash.run_id, "was lost before its result could be written")

    def _finish(self, leash: ClaimLeash, result: StepResult, on: Ground) -> tuple[Run, list[Ring]]:
        held = leash.claim
        crashpoint("finish.before_transaction")
        with leash.gathered() as said, self.desk.graph.write(full=held.run.step is Step.SHIP) as tx:

            def ending(run: Run, move: Next) -> Run:
                return end(self.desk, tx, run, move, on.sha256)

            if said:
                tx.runs.stream(held, said)
            moved = finish(tx, held, result, on.facts(tx, held.run, result), ending)
            settle(tx, held.run, result)
            _note_account(tx, held.run, moved, result)
            if moved.wait is Wait.APPROVAL:
                on.ask(tx, moved, result)
            nothing_freed = _chain_goes_on(held, moved) and not isinstance(result, PROOFS)
            rings = [] if nothing_freed else self.desk.admission.admit(tx)
        return moved, rings

    def _go_on(self, held: Claim, moved: Run, rings: list[Ring]) -> bool:
        """Ring and publish, as the finish has it on record."""
        crashpoint("finish.after_commit")
        onward = moved.epoch == held.run.epoch
        ring_all(self.desk.doorbell, [*([] if onward else [Ring.of(moved)]), *rings])
        if moved.state is RunState.ENDED:
            publish(self.desk, moved)
        return _chain_goes_on(held, moved)

    def _give_back(self, leash: ClaimLeash, why: str) -> bool:
        """Hand a run back untouched: same position, a new token, nobody's death."""
        with leash.gathered() as said, self.desk.graph.write() as tx:
            if said:
                tx.runs.stream(leash.claim, said)
            moves.free(tx, mine(tx, leash.claim), why, death=False, own_doing=False)
        return False

    def _await_version(self, held: Claim, why: str) -> None:
        """A journal of a newer Loopy waits, visibly, for a worker that knows it (rule 19)."""
        log.warning("%s waits: %s", held.run.id, why)
        with self.desk.graph.write() as tx:
            run = mine(tx, held)
            moves.wait(tx, run, Wait.VERSION, tx.now + timedelta(minutes=5), why, token=run.token + 1)


def _chain_goes_on(held: Claim, moved: Run) -> bool:
    return moved.state is RunState.QUEUED and moved.epoch == held.run.epoch


def _note_account(tx: Tx, before: Run, moved: Run, result: StepResult) -> None:
    """A limit cools the account and leaves it unproven; an agent's turn that ended by itself proves it (rule 11)."""
    if isinstance(result, Tried) and moved.segment is Segment.FAILOVER:
        cool(tx, before, result)
    elif isinstance(result, PROOFS):
        tx.fleet.prove(before.account)
