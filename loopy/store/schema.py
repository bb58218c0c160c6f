"""The tables of the work graph; times are seconds since the epoch (UTC), JSON is text, ids are readable."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# Postgres compares by bytes, as SQLite does, and counts as far.
WORDS = Text().with_variant(Text(collation="C"), "postgresql")
NUMBER = Integer().with_variant(BigInteger(), "postgresql")


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, WORDS, nullable=default is None, server_default=default)


def _number(name: str, default: int | None = 0) -> Column[int]:
    return Column(
        name, NUMBER, nullable=default is None, server_default=None if default is None else text(str(default))
    )


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _time(name: str, *, nullable: bool = True) -> Column[float]:
    return Column(name, Float, nullable=nullable)


repo = Table("repo", metadata, Column("path", WORDS, primary_key=True), _number("served"))

ticket = Table(
    "ticket",
    metadata,
    Column("n", NUMBER, primary_key=True),
    Column("title", WORDS, nullable=False),
    _text("body"),
    _text("repo"),
    _text("assignee"),
    _number("priority", 2),
    _text("labels", "[]"),
    _text("source", "cli"),
    _text("source_trust", "owner"),
    _text("mission"),
    _time("created_at", nullable=False),
    _time("closed_at"),
    _text("resolution", None),
)

dependency = Table(
    "dependency",
    metadata,
    Column("ticket", NUMBER, ForeignKey("ticket.n"), primary_key=True),
    Column("needs", NUMBER, ForeignKey("ticket.n"), primary_key=True, index=True),
)

comment = Table(
    "comment",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("ticket", NUMBER, ForeignKey("ticket.n"), nullable=False, index=True),
    _text("by"),
    _text("text"),
    _time("at", nullable=False),
)

mission = Table(
    "mission",
    metadata,
    Column("id", WORDS, primary_key=True),
    _text("title"),
    _number("budget_micros", None),
    _time("created_at", nullable=False),
    _time("closed_at"),
)

run = Table(
    "run",
    metadata,
    Column("id", WORDS, primary_key=True),
    Column("ticket", NUMBER, ForeignKey("ticket.n"), nullable=False, index=True),
    _number("n"),
    _text("repo"),
    Column("state", WORDS, nullable=False),
    Column("segment", WORDS, nullable=False),
    Column("step", WORDS, nullable=False),
    _number("turn", 1),
    _number("epoch"),
    _number("token"),
    _number("version"),
    _time("created_at", nullable=False),
    _text("owner", None),
    _text("host"),
    _number("beat"),
    _text("wait", None),
    _time("wake_at"),
    _flag("cancel"),
    _time("rung_at"),
    _number("rings"),
    _text("verdict", None),
    _text("reason"),
    _text("agent"),
    _text("account"),
    _text("wanted_agent"),
    _text("base"),
    _text("tree"),
    _text("digest"),
    _number("priority", 2),
    _time("ready_at"),
    _text("lane"),  # of the ready: see `rows.lane_of`
    Column("failover", Boolean, nullable=False, server_default=text("true")),
    _number("moves"),
    _number("deaths"),
    _number("strikes"),
    _flag("bare"),
    _text("mission"),
    _text("head"),
    _text("forked_from"),
    _time("ended_at"),
)
# One partial index per live state, so that history never slows the queue.
LIVE = {"ready": ("lane", "ready_at", "id"), "queued": ("rung_at",), "running": ("owner",), "waiting": ("wake_at",)}
# A look uses one only if its condition says the same with the same words: no bound parameter, no `IN`.
IS = {state: text(f"state = '{state}'") for state in LIVE}
for _state, _columns in LIVE.items():
    Index(f"ix_run_{_state}", *(run.c[c] for c in _columns), sqlite_where=IS[_state], postgresql_where=IS[_state])
CANCELLED = text("cancel AND state <> 'ended'")
Index("ix_run_cancel", run.c.id, sqlite_where=CANCELLED, postgresql_where=CANCELLED)

outcome = Table(
    "outcome",
    metadata,
    Column("run", WORDS, ForeignKey("run.id"), primary_key=True),
    Column("turn", NUMBER, primary_key=True),
    Column("step", WORDS, primary_key=True),
    Column("schema", NUMBER, nullable=False),
    Column("body", WORDS, nullable=False),
    _number("token"),
    _time("at", nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("run", WORDS, ForeignKey("run.id"), nullable=False, index=True),
    _number("turn"),
    Column("step", WORDS, nullable=False),
    _number("token"),
    Column("failure", WORDS, nullable=False),
    _text("detail"),
    _text("agent"),
    _text("to_agent"),
    _text("session_id"),
    _text("transcript"),
    _text("transcript_sha256"),
    _time("resets_at"),
    _time("at", nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("run", WORDS, nullable=False),
    _text("ticket"),
    _time("at", nullable=False),
    Column("name", WORDS, nullable=False),
    _number("turn"),
    _text("step"),
    _text("text"),
    _text("facts", "{}"),
    _number("version", None),
    Index("ix_event_run", "run", "id"),
    sqlite_autoincrement=True,
)
_where = text("version IS NOT NULL")
Index("uq_event_version", event.c.run, event.c.version, unique=True, sqlite_where=_where, postgresql_where=_where)

effect = Table(
    "effect",
    metadata,
    Column("run", WORDS, ForeignKey("run.id"), primary_key=True),
    Column("kind", WORDS, primary_key=True),
    Column("ordinal", NUMBER, primary_key=True),
    Column("state", WORDS, nullable=False),
    _number("token"),
    Column("commit", WORDS, nullable=False),
    Column("target", WORDS, nullable=False),
    Column("ref", WORDS, nullable=False),
    _text("expected"),
    _text("detail"),
    _time("at", nullable=False),
)

approval = Table(
    "approval",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("run", WORDS, ForeignKey("run.id"), nullable=False),
    Column("gate", WORDS, nullable=False),
    Column("subject", WORDS, nullable=False),
    _text("text"),
    _time("opened_at", nullable=False),
    _text("decision", None),
    _text("by"),
    _text("note"),
    _time("answered_at"),
    UniqueConstraint("run", "gate", "subject"),
)
_where = text("decision IS NULL")
Index("ix_approval_open", approval.c.run, sqlite_where=_where, postgresql_where=_where)

receipt = Table(
    "receipt",
    metadata,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("run", WORDS, ForeignKey("run.id"), nullable=False, unique=True),
    Column("verdict", WORDS, nullable=False),
    Column("digest", WORDS, nullable=False, unique=True),
    Column("previous", WORDS, nullable=False, unique=True),
    Column("statement", LargeBinary, nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("sshsig", LargeBinary, nullable=False),
    _time("at", nullable=False),
    _time("pushed_at"),
)
_where = text("pushed_at IS NULL")
Index("ix_receipt_unpushed", receipt.c.seq, sqlite_where=_where, postgresql_where=_where)

cooldown = Table(
    "cooldown",
    metadata,
    Column("account", WORDS, primary_key=True),
    _time("until", nullable=False),
    _flag("proven"),
    _text("why"),
)

spend = Table(
    "spend",
    metadata,
    Column("run", WORDS, ForeignKey("run.id"), primary_key=True),
    Column("turn", NUMBER, primary_key=True),
    Column("token", NUMBER, primary_key=True),
    _number("micros"),
    _flag("settled"),
    _text("account"),
    Column("at", Float, nullable=False, server_default=text("0"), index=True),
)

worker = Table(
    "worker",
    metadata,
    Column("id", WORDS, primary_key=True),
    _text("host"),
    _number("pid"),
    _time("started_at", nullable=False),
    _text("queues"),
    _text("version"),
    _time("closed_at"),
)
_where = text("closed_at IS NULL")
Index("ix_worker_open", worker.c.id, sqlite_where=_where, postgresql_where=_where)

audit = Table(
    "audit",
    metadata,
    Column("id", NUMBER, primary_key=True),
    _time("at", nullable=False),
    _text("by"),
    Column("what", WORDS, nullable=False),
    _text("subject"),
    _text("facts", "{}"),
)
