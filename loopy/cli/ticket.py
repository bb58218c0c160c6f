"""`loopy ticket`: what a person does with tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.filing import demand_ready, file
from loopy.cli.installed import demand_installed, known_agent
from loopy.cli.paper import echo, emit, ink, line, safe, table
from loopy.domain.errors import NotFoundError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.domain.run import Run


@click.group()
@options.example('loopy ticket add "Fix the failing date parser" --agent claude', "loopy ticket start LP-1")
def ticket() -> None:
    """Add, list, start and close tickets."""


@ticket.command()
@click.argument("title")
@click.option("--body", default="", help="More than a title can say; `-` reads it from standard input.")
@click.option("--repo", default=None, help="Folder or URL; default: the repository of this folder.")
@click.option("--agent", default="", help="Who is to work on it; default: the route decides.")
@click.option("--person", default="", help="The person who is to do it by hand.")
@click.option("--priority", type=click.IntRange(0, 4), default=2, show_default=True, help="0 is the most urgent.")
@click.option("--label", "labels", multiple=True, help="May be given more than once.")
@click.option("--needs", multiple=True, metavar="TICKET", help="A ticket that must be done before; more than once.")
@options.as_json
@options.example(
    'loopy ticket add "Write the changelog" --body - --priority 1 < notes.md',
    'loopy ticket add "Use the new parser" --needs LP-1',
)
def add(as_json: bool, **said: Any) -> None:
    """Add a ticket; nothing runs until it is started."""
    from loopy.cli.home import open_home, worker_hint
    from loopy.cli.views import ticket_json

    made = open_home()
    filed, hint = file(made, **said), worker_hint(made)
    if as_json:
        emit(ticket_json(filed) | {"hint": hint})
        return
    echo(f"{ink(filed.id, 'strong')}  {line(filed.title)}")
    if not filed.assignee.startswith("person:"):
        echo(ink(f"start it: loopy ticket start {filed.id}", "quiet"))
    _hint(hint)


@ticket.command("list")
@click.option("--all", "everything", is_flag=True, help="Closed tickets too.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="How many at most.")
@options.as_json
@options.example("loopy ticket list --all --json")
def list_tickets(everything: bool, limit: int, as_json: bool) -> None:
    """List tickets, newest first; open ones unless --all."""
    from loopy.cli.home import open_home
    from loopy.cli.views import short, ticket_json

    with open_home().graph.read() as tx:
        found = tx.tickets.all(open_only=not everything, limit=limit)
    if as_json:
        emit([ticket_json(each) for each in found])
        return
    rows = [
        (
            (each.id, "strong"),
            line(each.title, 60),
            (line(each.assignee, 24) or "-", "plain"),
            (f"p{each.priority}", "quiet"),
            (str(each.resolution) if each.resolution else "open", "quiet" if each.closed_at else "plain"),
            (short(each.repo), "quiet"),
        )
        for each in found
    ]
    for row in table(rows):
        echo(row)
    if not rows:
        echo(ink('no tickets; add one: loopy ticket add "What should be done"', "quiet"))


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@options.as_json
@options.example("loopy ticket show LP-1")
def show(ticket_id: str, as_json: bool) -> None:
    """Show a ticket with its text, comments and runs."""
    from loopy.cli.home import open_home, tell_sandbox
    from loopy.cli.status import status_of
    from loopy.cli.views import run_json, ticket_json
    from loopy.store.board import card

    made = open_home()
    with made.graph.read() as tx:
        found = card(tx, ticket_id)
        if found is None:
            raise NotFoundError("ticket", f"there is no ticket {ticket_id}", hint="`loopy ticket list` shows all")
        comments, runs = tx.tickets.comments(ticket_id), tx.tickets.runs(ticket_id)
    status = status_of(found, made.clock.now())
    if as_json:
        more = {"status": status.word, "runs": [run_json(r) for r in runs], "comments": comments}
        emit(ticket_json(found.ticket) | more)
        return
    about = found.ticket
    echo(f"{ink(about.id, 'strong')}  {line(about.title)}")
    echo(f"{ink(f'{status.mark} {status.word}', status.ink)}  {status.why}".rstrip())
    facts = [("repo", about.repo), ("for", about.assignee), ("needs", ", ".join(about.depends_on))]
    facts += [("labels", ", ".join(about.labels)), ("source", f"{about.source} ({about.source_trust})")]
    for row in table([((name, "quiet"), line(value)) for name, value in facts if value]):
        echo(row)
    for text in (about.body, *(f"{c.by}: {c.text}" for c in comments)):
        if text.strip():
            echo(f"\n{safe(text).strip()}")
    _show_runs(runs)
    if runs:
        tell_sandbox(made)


def _show_runs(runs: Any) -> None:
    rows = [
        ((r.id, "strong"), str(r.verdict or r.state), line(r.reason), (line(r.agent), "quiet"), (f"{r.created_at:%F %T}Z", "quiet"))
        for r in runs
    ]  # fmt: skip
    if rows:
        echo()
    for row in table(rows):
        echo(row)


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@click.argument("assignee")
@options.as_json
@options.example("loopy ticket assign LP-1 claude", "loopy ticket assign LP-2 person:ada")
def assign(ticket_id: str, assignee: str, as_json: bool) -> None:
    """Give a ticket to an agent, or to a person as `person:NAME`."""
    from loopy.cli.home import open_home, person, worker_hint
    from loopy.cli.views import ticket_json

    made = open_home()
    if not assignee.startswith("person:"):
        known_agent(made, assignee)
    given = made.intake.assign(ticket_id, assignee, person(made))
    hint = worker_hint(made)
    _tell(as_json, ticket_json(given) | {"hint": hint}, f"{given.id} is {line(assignee)}'s now")
    if not as_json:
        _hint(hint)


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@click.option("--agent", default="", help="Who is to work on it, this time.")
@click.option("--no-failover", "alone", is_flag=True, help="At a limit wait for its reset; nobody else takes over.")
@options.as_json
@options.example("loopy ticket start LP-1 --agent claude", "loopy ticket start LP-1 --no-failover")
def start(ticket_id: str, agent: str, alone: bool, as_json: bool) -> None:
    """Start a run of a ticket and come back at once."""
    from loopy.cli.home import open_home, person

    made = open_home()
    demand_ready(made)
    known_agent(made, agent)
    demand_installed(made, agent)
    _started(made, made.intake.start(ticket_id, person(made), agent, failover=not alone), as_json)


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@click.option("--from", "step", type=click.Choice(["plan", "code"]), help="Keep what came before this step.")
@click.option("--agent", default="", help="Who is to work on it, this time.")
@options.as_json
@options.example("loopy ticket retry LP-1 --agent codex", "loopy ticket retry LP-1 --from code")
def retry(ticket_id: str, step: str | None, agent: str, as_json: bool) -> None:
    """Start a new run after the last one ended."""
    from loopy.cli.home import open_home, person
    from loopy.domain.states import Step

    made = open_home()
    demand_ready(made)
    known_agent(made, agent)
    demand_installed(made, agent)
    run = made.intake.retry(ticket_id, person(made), Step(step) if step else None, agent)
    _started(made, run, as_json)


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@click.option("--note", default="", help="What was done; becomes a comment.")
@options.as_json
@options.example('loopy ticket close LP-2 --note "Merged by hand"')
def close(ticket_id: str, note: str, as_json: bool) -> None:
    """Close a ticket that was done by hand."""
    from loopy.cli.home import open_home, person

    made = open_home()
    made.intake.close(ticket_id, person(made), note)
    _tell_ticket(made, ticket_id, as_json, "is closed")


@ticket.command()
@click.argument("ticket_id", metavar="TICKET")
@options.as_json
@options.example("loopy ticket cancel LP-1")
def cancel(ticket_id: str, as_json: bool) -> None:
    """Cancel a ticket and what is under way; the run still ends in a receipt."""
    from loopy.cli.home import open_home, person
    from loopy.cli.views import run_json

    made = open_home()
    runs = made.intake.cancel(ticket_id, person(made))
    words = "is cancelled" + (f"; {', '.join(r.id for r in runs)} stops and writes its receipt" if runs else "")
    _tell_ticket(made, ticket_id, as_json, words, stopping=[run_json(r) for r in runs])


def _tell_ticket(made: Services, ticket_id: str, as_json: bool, words: str, **more: Any) -> None:
    from loopy.cli.views import ticket_json

    with made.graph.read() as tx:
        found = tx.tickets.get(ticket_id)
    assert found is not None, "intake has just written to it"
    _tell(as_json, ticket_json(found) | more, f"{found.id} {words}")


def _tell(as_json: bool, value: Any, words: str) -> None:
    if as_json:
        emit(value)
    else:
        echo(words)


def _hint(text: str) -> None:
    """Say beside the answer what a person should know."""
    if text:
        echo(ink(text, "strong"), err=True)


def _started(made: Services, run: Run, as_json: bool) -> None:
    from loopy.cli.home import living_workers, worker_hint
    from loopy.cli.views import run_json

    if as_json:
        emit((run_json(run) or {}) | {"hint": worker_hint(made)})
        return
    echo(f"{ink(run.id, 'strong')}  {run.state}")
    if not living_workers(made):
        echo(ink("no worker is up: it begins when one is (loopy up)", "quiet"))
    echo(ink(f"watch it: loopy watch {run.id}", "quiet"))
