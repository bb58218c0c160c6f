"""Filing: a person's words become a ticket, and what must be there before a run of it can come to anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from loopy.cli.installed import known_agent
from loopy.cli.words import text_of
from loopy.domain.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.domain.ticket import Ticket

STDIN_MAX = 1_000_000


def file(  # noqa: PLR0913  (one name for each thing that a person can say)
    made: Services,
    title: str,
    *,
    body: str = "",
    repo: str | None = None,
    agent: str = "",
    person: str = "",
    priority: int = 2,
    labels: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
) -> Ticket:
    """File a ticket as a person said it; a folder becomes an absolute path, `-` the text on standard input."""
    from loopy.cli.home import repo_address, repo_here
    from loopy.domain.ticket import Ticket, TicketId
    from loopy.store.rows import ticket_id, ticket_number

    if agent and person:
        raise ConfigError("--person", "a ticket is either an agent's or a person's")
    known_agent(made, agent)
    wanted = Ticket(
        id=TicketId(""),
        title=title,
        body=read_stdin() if body == "-" else body,
        repo=repo_here() if repo is None else repo_address(repo),
        assignee=f"person:{person}" if person else agent,
        priority=priority,
        labels=labels,
        depends_on=tuple(dict.fromkeys(ticket_id(ticket_number(needed)) for needed in needs)),
        created_at=made.clock.now(),
    )
    return made.intake.file(wanted)


def read_stdin() -> str:
    """Return the text on standard input. Raises ConfigError when there is too much of it, or when it is no text."""
    content = sys.stdin.buffer.read(4 * STDIN_MAX + 1)  # a character takes four bytes at most
    if len(content) > 4 * STDIN_MAX or len(text := text_of(content, "--body")) > STDIN_MAX:
        raise ConfigError("--body", f"more than {STDIN_MAX:,} characters on standard input")
    return text


def demand_commit(repo: str) -> None:
    """Raise RefusedError for a folder whose repository has no commit: Loopy works on what is committed."""
    from loopy.cli.home import repo_address
    from loopy.cli.reader import Objects, find
    from loopy.domain.repository import parse

    address = repo_address(repo)
    place = find(Path(address)) if parse(address).local else None
    if place is not None and Objects(place.git_dir).head() is None:
        raise RefusedError(address, "has no commit yet", hint="make a first commit: Loopy works on what is committed")


def demand_ready(made: Services) -> None:
    """Raise RefusedError when no run of this home could come to anything: nobody to work, or no sandbox to work in."""
    from loopy.cli.home import sandbox_lack

    if not made.settings.agents:
        raise RefusedError("agents", "there are none yet", hint="`loopy agent create claude --cli claude` adds one")
    if lack := sandbox_lack(made):
        raise RefusedError("sandbox", lack.what, hint=lack.fix)
