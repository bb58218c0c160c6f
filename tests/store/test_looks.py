"""History must never slow the queue: every look of the engine goes by an index of live rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Executable, event

from loopy.domain.states import RunState, Segment, Wait
from loopy.store.graph import SqlGraph, SqlTx
from loopy.store.migrate import migrate
from loopy.store.runs import BEHIND
from loopy.store.session import Prepared, Session, Values

LAST = {"of_lane": "lane", "since": 0.0, "after": "LP-1.1"}
LOOKS: dict[str, Callable[[SqlTx], object]] = {
    "live": lambda tx: tx.runs.by_state(RunState.QUEUED, RunState.RUNNING),
    "due": lambda tx: tx.runs.due(),
    "orphaned": lambda tx: tx.runs.orphaned(),
    "waiting": lambda tx: tx.runs.waiting_for(Wait.DEPENDENCY),
    "holding slots": lambda tx: tx.runs.live(),
    "any ready": lambda tx: tx.runs.any_ready(),
    "owned": lambda tx: tx.runs.owned("w"),
    "workers": lambda tx: tx.fleet.workers(),
    "unpushed": lambda tx: tx.receipts.unpushed(),
    "approvals": lambda tx: tx.approvals.waiting(),
    "outcomes": lambda tx: tx.runs.outcomes("LP-1.1"),
    "attempts": lambda tx: tx.runs.attempts("LP-1.1"),
}


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[SqlGraph]:
    path = tmp_path / "loopy.db"
    migrate(f"sqlite:///{path}", path)
    graph = SqlGraph(f"sqlite:///{path}", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    yield graph
    graph.close()


class Noting(Session):
    """A session that notes what it asks SQLite, with the arguments."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.asked: list[tuple[str, object]] = []

    def execute(self, statement: Prepared | Executable, values: Values = ()) -> Any:
        if isinstance(statement, Prepared):
            self.asked.append((statement.sql, statement.arguments(values if isinstance(values, Mapping) else {})))
        return super().execute(statement, values)

    def note(self, _c: object, _cursor: object, statement: str, values: object, _x: object, _many: bool) -> None:
        self.asked.append((statement, values))


def plans_of(graph: SqlGraph, look: Callable[[SqlTx], object]) -> list[str]:
    """Return what SQLite would do for each statement of a look."""
    with graph.read() as tx:
        noting, engine = Noting(tx.connection), tx.connection.engine
        event.listen(engine, "before_cursor_execute", noting.note)
        look(replace(tx, session=noting))
        event.remove(engine, "before_cursor_execute", noting.note)
        plan = tx.connection.connection.driver_connection
        assert plan is not None
        return [row[3] for sql, values in noting.asked for row in plan.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("name", LOOKS)
def test_no_look_reads_the_whole_history(graph: SqlGraph, name: str) -> None:
    steps = plans_of(graph, LOOKS[name])
    assert steps
    history = ("SCAN run", "SCAN event", "SCAN outcome", "SCAN attempt", "SCAN approval", "SCAN receipt", "SCAN worker")
    assert [s for s in steps if s.startswith(history) and "USING" not in s] == []
    assert [s for s in steps if "ix_run_ticket" in s or "sqlite_autoindex_run" in s] == []


def test_admission_looks_at_ready_runs_only(graph: SqlGraph) -> None:
    steps = plans_of(
        graph, lambda tx: (list(tx.runs.ready(dict.fromkeys(Segment, 1))), tx.session.execute(BEHIND, LAST))
    )
    looks = [s for s in steps if " run " in f"{s} " or " waiting " in f"{s} "]
    assert len(looks) == 4 * 5 + 1  # the accused and three kinds of slots, walked alone; then one who stands behind
    assert [s for s in looks if "USING INDEX ix_run_ready" not in s and "sqlite_autoindex_run_1 (id=?)" not in s] == []
    assert [s for s in steps if "TEMP B-TREE" in s] == []
