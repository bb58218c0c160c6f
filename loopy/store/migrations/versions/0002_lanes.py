"""Ready runs stand in lanes, so that admission's look is bounded by the lanes, not by who waits in them."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
READY = sa.text("state = 'ready'")
WAITING = sa.text(
    "SELECT id, strikes >= 3, priority, segment, step, agent, account, repo, mission, deaths >= 2"
    " FROM run WHERE state = 'ready'"
)
ENTER = sa.text("UPDATE run SET lane = :lane, ready_at = coalesce(ready_at, created_at) WHERE id = :id")


def upgrade() -> None:
    """Go to this schema."""
    op.drop_index("ix_run_ready", "run")
    op.add_column("run", sa.Column("lane", WORDS, server_default="", nullable=False))
    op.drop_column("run", "served")
    for run_id, accused, *wants, suspect in op.get_bind().execute(WAITING).fetchall():
        lane = f"{'accused' if accused else wants[1]}\t{json.dumps((*wants, bool(suspect)))}"
        op.get_bind().execute(ENTER, {"lane": lane, "id": run_id})
    op.create_index("ix_run_ready", "run", ["lane", "ready_at", "id"], sqlite_where=READY, postgresql_where=READY)


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_index("ix_run_ready", "run")
    op.add_column("run", sa.Column("served", NUMBER, server_default=sa.text("0"), nullable=False))
    op.drop_column("run", "lane")
    op.create_index("ix_run_ready", "run", ["priority", "ready_at"], sqlite_where=READY, postgresql_where=READY)
