"""Prepared statements say the same by SQLite's driver and by SQLAlchemy, whatever the database."""

from __future__ import annotations

from types import ModuleType

import pytest
from sqlalchemy import Insert, Update
from sqlalchemy.dialects import postgresql

from loopy.store import records, runs, tickets
from loopy.store.session import DIALECT, Prepared


def statements(*modules: ModuleType) -> dict[str, Prepared]:
    found = {f"{m.__name__}.{name}": value for m in modules for name, value in vars(m).items()}
    found |= {f"runs.OLDEST.{state}": query for state, query in runs.OLDEST.items()}
    found["runs.move"] = runs._moving(frozenset({"state", "token", "version", "owner"}))
    found["tickets.change"] = tickets._changing(frozenset({"closed_at", "resolution"}))
    return {name: value for name, value in found.items() if isinstance(value, Prepared)}


ALL = statements(records, runs, tickets)


def test_there_are_statements_to_look_at() -> None:
    assert len(ALL) > 30


@pytest.mark.parametrize("name", ALL)
def test_a_prepared_statement_compiles_for_both_with_the_very_parameters_that_it_is_given(name: str) -> None:
    statement = ALL[name].statement
    assert isinstance(statement, Insert | Update) or hasattr(statement, "selected_columns")
    names = [bind.key for bind in statement.compile(dialect=DIALECT).binds.values() if bind.required]  # type: ignore[attr-defined]
    keys = (
        names if isinstance(statement, Insert | Update) else None
    )  # as SQLAlchemy does when it executes it with these
    text = str(statement.compile(dialect=postgresql.dialect(), column_keys=keys))  # type: ignore[attr-defined,no-untyped-call]
    assert "RETURNING" not in text
    assert all(f"%({name})s" in text for name in names)
