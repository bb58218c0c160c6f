"""One connection's statements: prepared ones go straight to SQLite's driver, all others through SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

from sqlalchemy import Connection, Engine, Executable, Insert, Table, bindparam, insert
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.sql import ClauseElement

DIALECT = SQLiteDialect_pysqlite()
Values = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Convert = Callable[[Any], Any]


class Prepared:
    """A statement of fixed shape, made once per module: on SQLite it costs a tenth of what it costs through SQLAlchemy.

    Its parameters are all `bindparam`s by name; lists (`IN`) have no fixed shape and stay with SQLAlchemy.
    """

    def __init__(self, statement: Executable) -> None:
        self.statement = statement

    @cached_property
    def sql(self) -> str:
        """The text for SQLite's driver."""
        return str(self._compiled)

    @cached_property
    def _compiled(self) -> Any:
        return cast("ClauseElement", self.statement).compile(dialect=DIALECT)

    @cached_property
    def _binds(self) -> list[tuple[str, bool, Any]]:
        """The parameters in their order: (name, whether the caller gives it, else its constant)."""
        found = []
        for name in self._compiled.positiontup or ():
            bind = self._compiled.binds[name]
            found.append((name, bind.required, None if bind.required else bind.effective_value))
        return found

    @cached_property
    def _columns(self) -> tuple[Any, tuple[tuple[int, Convert], ...]]:
        """The row's type, and the columns whose values the driver gives in another type than ours."""
        selected = getattr(self.statement, "selected_columns", None)
        if selected is None:
            return tuple, ()
        processors = (column.type.dialect_impl(DIALECT).result_processor(DIALECT, None) for column in selected)
        row: Any = namedtuple("Row", list(selected.keys()), rename=True)  # type: ignore[misc]  # noqa: PYI024  # known only here
        return row._make, tuple((n, convert) for n, convert in enumerate(processors) if convert)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Return the driver's arguments. Raises KeyError for a parameter that is not given."""
        return [values[name] if given else constant for name, given, constant in self._binds]

    def rows(self, cursor: sqlite3.Cursor) -> Iterator[Any]:
        """Yield the cursor's rows as named tuples."""
        make, converts = self._columns
        if not converts:
            return map(make, cursor)
        return (make(_converted(row, converts)) for row in cursor)


def _converted(row: Sequence[Any], converts: tuple[tuple[int, Convert], ...]) -> list[Any]:
    changed = list(row)
    for n, convert in converts:
        changed[n] = convert(changed[n])
    return changed


def insertion(table: Table, *names: str) -> Prepared:
    """Return the insert of one row with these columns."""
    statement: Insert = insert(table).values({name: bindparam(name) for name in names}).inline()
    return Prepared(statement)


class Rows:
    """What a prepared statement gave, as much of `sqlalchemy.CursorResult` as the store uses."""

    def __init__(self, prepared: Prepared, cursor: sqlite3.Cursor) -> None:
        self._prepared, self._cursor = prepared, cursor

    @property
    def rowcount(self) -> int:
        """How many rows the statement changed."""
        return self._cursor.rowcount

    def __iter__(self) -> Iterator[Any]:
        return self._prepared.rows(self._cursor)

    def first(self) -> Any:
        """Return the first row, None if there is none."""
        found = next(iter(self), None)
        self._cursor.close()
        return found


class Session:
    """Statements on one connection, inside its transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        driver = connection.connection.driver_connection
        self._driver = driver if isinstance(driver, sqlite3.Connection) else None

    def execute(self, statement: Prepared | Executable, values: Values = ()) -> Any:
        """Run a statement, once for each row of values."""
        if not isinstance(statement, Prepared):
            return self.connection.execute(statement, values or None)
        if self._driver is None:
            return self.connection.execute(statement.statement, values or None)
        if isinstance(values, Mapping) or not values:
            arguments = statement.arguments(values or {})  # type: ignore[arg-type]  # an empty sequence is no values
            return Rows(statement, self._driver.execute(statement.sql, arguments))
        return Rows(statement, self._driver.executemany(statement.sql, [statement.arguments(v) for v in values]))

    @contextmanager
    def begun(self, begin: str) -> Iterator[None]:
        """Begin, and commit at the end of the block; SQLite's driver does it without SQLAlchemy."""
        assert self._driver is not None
        try:
            self._driver.execute(begin)
            yield
            self._driver.commit()
        except BaseException:
            self._driver.rollback()
            raise
        finally:
            self.connection.rollback()  # SQLAlchemy believes in a transaction as soon as it has run a statement

    def scalar(self, statement: Prepared | Executable, values: Values = ()) -> Any:
        """Return the first column of the first row, None if there is none."""
        row = self.execute(statement, values).first()
        return row[0] if row else None

    def scalars(self, statement: Prepared | Executable, values: Values = ()) -> list[Any]:
        """Return the first column of every row."""
        return [row[0] for row in self.execute(statement, values)]


class Sessions:
    """Sessions on one engine; on SQLite each keeps its connection, and begins and commits by the driver."""

    def __init__(self, engine: Engine, begin: str) -> None:
        self.engine, self._begin = engine, begin
        self._free: list[Session] = []

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session inside a transaction; commit at the end of the block, roll back on any error."""
        if self.engine.dialect.name != "sqlite":
            with self.engine.connect() as connection, connection.begin():
                yield Session(connection)
            return
        session = self._free.pop() if self._free else Session(self.engine.connect())
        try:
            with session.begun(self._begin):
                yield session
        finally:
            self._free.append(session)

    def close(self) -> None:
        """Give all connections back."""
        while self._free:
            self._free.pop().connection.close()
        self.engine.dispose()
