"""A person may want a run to stay with its agent, whatever limit that meets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this schema."""
    op.add_column("run", sa.Column("failover", sa.Boolean(), server_default=sa.text("true"), nullable=False))


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_column("run", "failover")
