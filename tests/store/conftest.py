"""The store's databases: the contract holds on each of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from loopy.domain.run import Run
from loopy.domain.states import RunState, Segment, Step
from loopy.domain.ticket import Ticket, TicketId
from loopy.store.graph import SqlGraph
from loopy.store.migrate import migrate
from tests.support.servers import Postgres, postgres, postgres_folder

BOTH = ["sqlite", pytest.param("postgres", marks=[pytest.mark.slow, pytest.mark.timeout(180)])]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Base:
    """A migrated database, and as many graphs on it as a test wants."""

    url: str
    path: Path | None = None
    server: Postgres | None = None
    opened: list[SqlGraph] = field(default_factory=list)

    def graph(self, patience_s: float = 30.0) -> SqlGraph:
        self.opened.append(SqlGraph(self.url, now, patience_s))
        return self.opened[-1]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement past the store, on a connection of its own."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    if postgres_folder() is None:
        pytest.skip("postgres is not installed (Debian: apt-get install postgresql)")
    with postgres() as made:
        yield made


@pytest.fixture(scope="session")
def model(server: Postgres) -> str:
    """A migrated database to copy; nobody stays connected to it."""
    url = server.fresh()
    migrate(url, None)
    return url


@pytest.fixture(params=BOTH)
def base(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> Iterator[Base]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            path = tmp_path / "loopy.db"
            shutil.copy(template, path)
            made = Base(f"sqlite:///{path}", path)
        else:
            server: Postgres = request.getfixturevalue("server")
            url = server.fresh(request.getfixturevalue("model"))
            stack.callback(server.drop, url)
            made = Base(url, None, server)
        yield made
        for graph in made.opened:
            graph.close()


@pytest.fixture
def graph(base: Base) -> SqlGraph:
    return base.graph()


@pytest.fixture(params=BOTH)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Base]:
    """A database that was never migrated."""
    if request.param == "sqlite":
        yield Base(f"sqlite:///{tmp_path / 'empty.db'}", tmp_path / "empty.db")
        return
    server: Postgres = request.getfixturevalue("server")
    url = server.fresh()
    yield Base(url, None, server)
    server.drop(url)


def a_ticket(title: str = "t") -> Ticket:
    return Ticket(id=TicketId(""), title=title, repo="/r", created_at=now())


def a_run(graph: SqlGraph, title: str = "t") -> Run:
    with graph.write() as tx:
        ticket = tx.tickets.add(a_ticket(title))
        run = Run(
            id=tx.runs.next_id(ticket.id),
            ticket=ticket.id,
            repo="/r",
            state=RunState.READY,
            segment=Segment.PREPARE,
            step=Step.PLAN,
            turn=1,
            epoch=0,
            token=0,
            version=0,
            created_at=now(),
        )
        return tx.runs.add(run)
