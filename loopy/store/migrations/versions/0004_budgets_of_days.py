"""Spending knows whose account it was and when, for budgets of a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORDS = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Go to this schema."""
    op.add_column("spend", sa.Column("account", WORDS, server_default="", nullable=False))
    op.add_column("spend", sa.Column("at", sa.Float(), server_default=sa.text("0"), nullable=False))
    op.create_index("ix_spend_at", "spend", ["at"])


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_index("ix_spend_at", "spend")
    op.drop_column("spend", "at")
    op.drop_column("spend", "account")
