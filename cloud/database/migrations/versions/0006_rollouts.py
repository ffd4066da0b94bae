"""Rollouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NAME = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "rollouts",
        sa.Column("id", _NAME, primary_key=True),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("ix_rollouts_created_at", "rollouts", ["created_at"])


def downgrade() -> None:
    op.drop_table("rollouts")
