"""`loopy inbox`, `approve`, `resume`: what waits for a person, and the answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.store.board import Card
    from loopy.store.graph import SqlTx


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing that waits for a person: what it is, and the commands that settle it."""

    kind: str
    run: str
    ticket: str
    title: str
    text: str
    since: Any
    commands: tuple[str, ...]
    binds_to: str = ""


@click.command()
@options.as_json
@options.example("loopy inbox")
def inbox(as_json: bool) -> None:
    """Show what waits for a person, with the command that answers it.

    Approvals, questions, agents that are logged out or out of credit, and dependencies that will not be done by
    themselves.
    """
    from dataclasses import asdict

    from loopy.cli.home import open_home, tell_sandbox
    from loopy.cli.times import ago

    made = open_home()
    found = matters(made)
    if as_json:
        emit([asdict(matter) for matter in found])
        return
    now = made.clock.now()
    for matter in found:
        when = ink(ago(matter.since, now), "quiet") if matter.since else ""
        echo(
            f"{ink(f'▲ {matter.kind}', 'need')}  {ink(matter.run, 'strong')}  {line(matter.title, 60)}  {when}".rstrip()
        )
        echo(f"    {line(matter.text)}")
        for command in matter.commands:
            echo(f"    {ink(command, 'quiet')}")
    if found:
        tell_sandbox(made)
    else:
        echo(ink("nothing needs you", "quiet"))


def matters(made: Services) -> list[Matter]:
    """Return everything that waits for a person, the newest ticket first."""
    from loopy.store.board import under_way

    with made.graph.read() as tx:
        return [*_agents(tx, made), *(matter for card in under_way(tx) for matter in _of(tx, card))]


def _agents(tx: SqlTx, made: Services) -> Iterator[Matter]:
    """Yield one matter for each account that only a person can mend, whichever runs went on with another agent."""
    from loopy.domain.failures import RULES, Failure
    from loopy.engine.decide import BY_A_PERSON

    for known in tx.fleet.cooldowns().values():
        failure = known.why.partition(":")[0]
        if known.until <= made.clock.now() or failure not in BY_A_PERSON:
            continue
        users = [agent.name for agent in made.settings.agents.values() if agent.billed_to == known.account]
        title = f"{', '.join(users) or known.account}: {RULES[Failure(failure)].advice}"
        commands = tuple(f"loopy agents doctor {name}" for name in users)
        yield Matter("agent", known.account, "", title, known.why, None, commands)


def _of(tx: SqlTx, card: Card) -> Iterator[Matter]:
    from loopy.domain.states import RunState, Wait
    from loopy.store.board import dead_ends

    run, ticket = card.run, card.ticket
    if run is None or run.state is not RunState.WAITING:
        return
    commands: tuple[str, ...]
    text, since = card.moved.text if card.moved else "", card.moved.at if card.moved else None
    if run.wait is Wait.APPROVAL:
        asked = [a for a in tx.approvals.of(run.id) if a.answer is None]
        text, subject = (asked[-1].text, asked[-1].subject) if asked else (text, "")
        commands = (
            f"loopy evidence {run.id}",
            f"loopy approve {run.id}",
            f'loopy approve {run.id} --reject --note "why"',
        )
        yield Matter("approval", run.id, ticket.id, ticket.title, text, since, commands, subject)
    elif run.wait is Wait.QUESTION:
        commands = (f"loopy watch {run.id}", f"loopy resume {run.id}", f"loopy resume {run.id} --give-up")
        yield Matter("question", run.id, ticket.id, ticket.title, text, since, commands)
    elif run.wait is Wait.DEPENDENCY and (ends := dead_ends(tx, ticket)):
        text = f"{', '.join(ends)} will not be done by itself"
        commands = (*(f"loopy ticket retry {needed}" for needed in ends), f"loopy ticket cancel {ticket.id}")
        yield Matter("dependency", run.id, ticket.id, ticket.title, text, since, commands)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reject", is_flag=True, help="Say no: the run ends as REFUSED.")
@click.option("--note", default="", help="Why; kept with the answer.")
@options.as_json
@options.example('loopy approve LP-1.1 --note "read it"', 'loopy approve LP-1.1 --reject --note "touches the schema"')
def approve(run_id: str, reject: bool, note: str, as_json: bool) -> None:
    """Answer a run's approval.

    The answer holds for exactly this change, plan and policy, and the first one counts.
    """
    from loopy.cli.home import open_home, person, run_named

    made = open_home()
    with made.graph.read() as tx:
        run = run_named(tx, run_id)
    answered = made.intake.answer(run.id, "reject" if reject else "approve", person(made), note)
    if as_json:
        facts = {"run": run.id, "gate": answered.gate, "binds_to": answered.subject, "answer": answered.answer}
        emit(facts)
        return
    words = "rejected" if reject else "approved"
    echo(f"{ink(run.id, 'strong')} {words} (gate {line(answered.gate)}, bound to {answered.subject[:12]})")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--give-up", is_flag=True, help="End it by a receipt that names what is still open.")
@options.as_json
@options.example("loopy resume LP-1.1", "loopy resume LP-1.1 --give-up")
def resume(run_id: str, give_up: bool, as_json: bool) -> None:
    """Let a parked run go on, or give it up.

    A run that waits for an answer, a limit, a disk or a retry; one that waits for an approval is not parked.
    """
    from loopy.cli.home import open_home, person, run_named
    from loopy.cli.views import run_json

    made = open_home()
    with made.graph.read() as tx:
        run = run_named(tx, run_id)
    run = made.intake.resume(run.id, person(made), give_up=give_up)
    if as_json:
        emit(run_json(run))
        return
    echo(f"{ink(run.id, 'strong')} {'is given up; it ends by a receipt' if give_up else 'goes on'}")
