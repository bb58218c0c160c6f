"""Where a test's work graph lies: a copy of a SQLite file, or of a Postgres database on the server that the environment names."""

from __future__ import annotations

import atexit
import os
import secrets
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlalchemy import Integer, create_engine, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from loopy.store.migrate import migrate
from loopy.store.schema import metadata

ASKED = "LOOPY_TEST_DATABASE_URL"  # any database of the server; each test gets a new one beside it, dropped in the end


def new_template(path: Path) -> Path:
    """Make a migrated SQLite graph in one file, to be copied."""
    migrate(f"sqlite:///{path}", path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return path


def on_postgres() -> bool:
    """Whether the environment asks for Postgres."""
    return bool(os.environ.get(ASKED))


def copy_of(template: Path, path: Path) -> str:
    """Return the URL of a new work graph: the template's copy at the path, or a database that only this process uses."""
    if on_postgres():
        url = _made(_model())
        _fill(url, template)
        return url
    path.write_bytes(template.read_bytes())
    return f"sqlite:///{path}"


def _fill(url: str, template: Path) -> None:
    """Put every row of the file into the database; ids that are given there go on after the largest."""
    old, new = (create_engine(u, poolclass=NullPool) for u in (f"sqlite:///{template}", url))
    with old.connect() as source, new.begin() as target:
        for table in metadata.sorted_tables:
            rows = [row._asdict() for row in source.execute(select(table))]
            if not rows:
                continue
            target.execute(insert(table), rows)
            if "id" in table.c and isinstance(table.c.id.type, Integer):
                highest = select(func.setval(f"{table.name}_id_seq", func.max(table.c.id)))
                target.execute(highest)


@cache
def _model() -> str:
    name = _made("")
    migrate(name, None)
    return name


def _made(template: str) -> str:
    server, name = os.environ[ASKED], f"loopy_test_{os.getpid()}_{secrets.token_hex(4)}"
    _say(server, f"CREATE DATABASE {name}" + (f" TEMPLATE {template.rpartition('/')[2]}" if template else ""))
    atexit.register(_drop, server, name)
    return f"{server.rpartition('/')[0]}/{name}"


def _drop(server: str, name: str) -> None:
    try:
        _say(server, f"DROP DATABASE {name} WITH (FORCE)")
    except DBAPIError:
        return  # the server is gone, and the database with it


def _say(server: str, statement: str) -> None:
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
