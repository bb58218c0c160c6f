"""What people and triggers do: file, start, cancel, retry, close, answer; each is one transaction, then a ring."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from loopy.domain.errors import NotFoundError, RefusedError
from loopy.domain.evidence import ApprovalRecord
from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step, Verdict, Wait
from loopy.domain.ticket import Comment, Resolution, RunId, Ticket, TicketId
from loopy.engine import moves
from loopy.engine.admission import Admission
from loopy.engine.bell import ring_all
from loopy.engine.books import Approval
from loopy.engine.failover import mended
from loopy.engine.graph import Graph, Tx
from loopy.engine.moves import Ring
from loopy.ports import Doorbell

PERSON = "person:"


@dataclass(frozen=True)
class Intake:
    """The front desk; needs neither agents nor repositories, so the CLI and the web use it as well."""

    graph: Graph
    admission: Admission
    doorbell: Doorbell

    def file(self, ticket: Ticket) -> Ticket:
        """Store a new ticket; the id is given here."""
        with self.graph.write() as tx:
            filed = tx.tickets.add(ticket)
            tx.fleet.audit(ticket.source, "ticket.filed", filed.id)
        return filed

    def start(self, ticket_id: str, by: str, agent: str = "", *, failover: bool = True) -> Run:
        """Start a run of the ticket, without `failover` one that stays with its agent.

        Raises RefusedError while another run of it is under way.
        """
        with self.graph.write() as tx:
            ticket = self._ticket(tx, ticket_id)
            self._may_start(tx, ticket)
            wanted = agent or ticket.assignee
            run = tx.runs.add(_new_run(tx, ticket, wanted, failover=failover))
            if ticket.depends_on:
                run = moves.wait(tx, run, Wait.DEPENDENCY, None, "looks whether its dependencies are done")
            tx.fleet.audit(by, "run.started", run.id, {"agent": wanted})
            rings = self.admission.admit(tx)
        return self._ring(run, rings)

    def _may_start(self, tx: Tx, ticket: Ticket) -> None:
        if ticket.assignee.startswith(PERSON):
            raise RefusedError(
                ticket.id, f"is {ticket.assignee}'s", hint=f"`loopy ticket assign {ticket.id} AGENT` first"
            )
        if not ticket.repo:
            raise RefusedError(ticket.id, "names no repository", hint="file it with --repo PATH")
        if ticket.closed_at:
            raise RefusedError(ticket.id, f"is closed ({ticket.resolution})", hint="file a new ticket")
        if under_way := [r for r in tx.tickets.runs(ticket.id) if r.state is not RunState.ENDED]:
            raise RefusedError(ticket.id, f"{under_way[0].id} is under way", hint=f"`loopy watch {under_way[0].id}`")

    def assign(self, ticket_id: str, assignee: str, by: str) -> Ticket:
        """Give the ticket to an agent, or to `person:NAME`."""
        with self.graph.write() as tx:
            ticket = self._ticket(tx, ticket_id)
            tx.tickets.change(ticket.id, assignee=assignee)
            tx.fleet.audit(by, "ticket.assigned", ticket.id, {"to": assignee})
        return ticket.model_copy(update={"assignee": assignee})

    def close(self, ticket_id: str, by: str, note: str = "") -> None:
        """Close a ticket that was done by hand. Raises RefusedError while a run is under way."""
        with self.graph.write() as tx:
            ticket = self._ticket(tx, ticket_id)
            if any(r.state is not RunState.ENDED for r in tx.tickets.runs(ticket.id)):
                raise RefusedError(ticket.id, "a run is under way", hint=f"`loopy ticket cancel {ticket.id}` first")
            if ticket.closed_at is None:
                tx.tickets.change(ticket.id, closed_at=tx.now, resolution=Resolution.DONE)
            if note:
                tx.tickets.comment(Comment(ticket=TicketId(ticket.id), by=by, text=note, at=tx.now))
            tx.fleet.audit(by, "ticket.closed", ticket.id)

    def cancel(self, ticket_id: str, by: str) -> list[Run]:
        """Cancel the ticket and what is under way; an owner stops within a second, others move at once (rule 13)."""
        with self.graph.write() as tx:
            ticket = self._ticket(tx, ticket_id)
            runs = [moves.cancel(tx, r, by) for r in tx.tickets.runs(ticket.id) if r.state is not RunState.ENDED]
            if ticket.closed_at is None:
                tx.tickets.change(ticket.id, closed_at=tx.now, resolution=Resolution.CANCELLED)
            tx.fleet.audit(by, "ticket.cancelled", ticket.id)
            rings = self.admission.admit(tx)
        ring_all(self.doorbell, rings)
        return runs

    def retry(self, ticket_id: str, by: str, step: Step | None = None, agent: str = "") -> Run:
        """Start a new run after the last one ended; from `step`, it is a fork that keeps what came before (rule 4)."""
        if step is Step.CODE and agent:
            raise RefusedError(
                ticket_id, "a retry from code keeps the agent", hint="with --agent leave --from out: route anew"
            )
        with self.graph.write() as tx:
            ticket = self._ticket(tx, ticket_id)
            if ticket.closed_at is not None:
                tx.tickets.change(ticket.id, closed_at=None, resolution=None)
                ticket = ticket.model_copy(update={"closed_at": None})
            self._may_start(tx, ticket)
            runs = tx.tickets.runs(ticket.id)
            wanted = agent or (runs[-1].wanted_agent if runs else "") or ticket.assignee
            run = tx.runs.add(_new_run(tx, ticket, wanted, failover=not runs or runs[-1].failover))
            if step is not None and runs:
                run = _fork(tx, runs[-1], run, step)
            tx.fleet.audit(by, "run.retried", run.id, {"from": runs[-1].id if runs else "", "step": step or ""})
            rings = self.admission.admit(tx)
        return self._ring(run, rings)

    def answer(self, run_id: str, decision: str, by: str, note: str = "") -> Approval:
        """Answer a run's open gate: approval row, audit and `ready` in one transaction; the first answer wins (rule 14)."""
        with self.graph.write(full=True) as tx:
            run = tx.runs.get(run_id)
            if run is None:
                raise NotFoundError("run", f"there is no run {run_id}", hint="`loopy board` shows all")
            approval = _open_gate(tx, run)
            yes = decision == "approve"
            record = ApprovalRecord(
                gate=approval.gate,
                decision="approve" if yes else "reject",
                by=by,
                at=tx.now,
                subject=approval.subject,
                note=note,
            )
            if not tx.approvals.answer(approval, record):
                raise RefusedError(run_id, "somebody else answered first")
            tx.fleet.audit(
                by, f"approval.{record.decision}", run_id, {"gate": approval.gate, "subject": approval.subject}
            )
            _go_on(tx, run, record)
            rings = self.admission.admit(tx)
        ring_all(self.doorbell, rings)
        return replace(approval, answer=record)

    def resume(self, run_id: str, by: str, *, give_up: bool = False) -> Run:
        """Let a run go on that waits for a person's look, or end it by a receipt that names its open effects."""
        with self.graph.write() as tx:
            run = tx.runs.get(run_id)
            if run is None or run.wait not in (Wait.QUESTION, Wait.BACKOFF, Wait.DISK, Wait.LIMIT):
                raise RefusedError(run_id, "waits for nobody", hint="`loopy inbox` shows what does")
            tx.fleet.audit(by, "run.given_up" if give_up else "run.resumed", run_id)
            if not give_up:
                if run.segment is Segment.FAILOVER:
                    mended(tx, run, self.admission.fleet.agents())
                run = moves.ready(tx, run, run.segment, run.step, f"resumed by {by}")
            elif run.segment is Segment.FINISH:
                ended = {"bare": True, "verdict": Verdict.FAILED, "reason": "given up"}
                run = moves.ready(tx, run, Segment.FINISH, Step.SHIP, f"given up by {by}", **ended)
            else:
                run = moves.to_finish(tx, run, Verdict.ABORTED, "given up", f"by {by}", token=run.token + 1)
            rings = self.admission.admit(tx)
        return self._ring(run, rings)

    def _ring(self, run: Run, rings: list[Ring]) -> Run:
        ring_all(self.doorbell, rings)
        return run

    @staticmethod
    def _ticket(tx: Tx, ticket_id: str) -> Ticket:
        ticket = tx.tickets.get(ticket_id)
        if ticket is None:
            raise NotFoundError("ticket", f"there is no ticket {ticket_id}", hint="`loopy ticket list` shows all")
        return ticket


def _new_run(tx: Tx, ticket: Ticket, wanted: str, *, failover: bool) -> Run:
    return Run(
        id=RunId(tx.runs.next_id(ticket.id)),
        ticket=ticket.id,
        repo=ticket.repo,
        state=RunState.READY,
        segment=Segment.PREPARE,
        step=Step.PLAN,
        turn=1,
        epoch=0,
        token=0,
        version=0,
        created_at=datetime.fromtimestamp(int(tx.now.timestamp()), UTC),
        wanted_agent=wanted,
        failover=failover,
        priority=ticket.priority,
        ready_at=tx.now,
    )


KEPT = {Step.PLAN: (), Step.CODE: (Step.PLAN, Step.SIZE, Step.ROUTE)}


def _fork(tx: Tx, old: Run, new: Run, step: Step) -> Run:
    """Copy what the old run decided before `step`; nothing that was shipped is shipped again by it."""
    if step not in KEPT:
        raise RefusedError(old.id, f"a retry cannot begin at '{step}'", hint=f"begin at {' or '.join(KEPT)}")
    for turn, kind, outcome in tx.runs.outcomes(old.id):
        if turn == 1 and kind in KEPT[step]:
            tx.runs.add_outcome(replace(new, step=kind), outcome)
    if step is Step.PLAN:
        return tx.runs.move(new, "run.forked", old.id, forked_from=old.id)
    if not old.base or not old.agent:
        raise RefusedError(old.id, "it never came to a route", hint="retry it from the start")
    changes = {"agent": old.agent, "account": old.account, "base": old.base, "forked_from": old.id}
    return moves.ready(tx, new, Segment.TURN, Step.CODE, f"forked from {old.id}", **changes)


def _open_gate(tx: Tx, run: Run) -> Approval:
    answered = tx.approvals.of(run.id)
    if run.state is RunState.WAITING and run.wait is Wait.APPROVAL and answered and answered[-1].answer is None:
        return answered[-1]
    if answered and answered[-1].answer:
        last = answered[-1].answer
        raise RefusedError(run.id, f"was decided already: {last.decision} by {last.by} at {last.at:%Y-%m-%d %H:%M} UTC")
    raise RefusedError(run.id, "asks for no approval", hint="`loopy inbox` shows what does")


def _go_on(tx: Tx, run: Run, record: ApprovalRecord) -> None:
    if record.decision == "approve":
        moves.ready(tx, run, run.segment, run.step, f"approved by {record.by}")
    elif run.segment is Segment.FINISH:
        refused = {"verdict": Verdict.REFUSED, "reason": "rejected"}
        moves.ready(tx, run, Segment.FINISH, Step.SHIP, f"rejected by {record.by}", **refused)
    else:
        moves.to_finish(tx, run, Verdict.REFUSED, "rejected", f"rejected by {record.by}", token=run.token + 1)
