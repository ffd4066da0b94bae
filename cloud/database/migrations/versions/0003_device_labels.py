"""Labels of devices, which going back loses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAME = sa.String(64)


def upgrade() -> None:
    op.create_table(
        "device_labels",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("key", _NAME, primary_key=True),
        sa.Column("value", _NAME, nullable=False),
    )
    op.create_index("ix_device_labels_value", "device_labels", ["key", "value"])


def downgrade() -> None:
    op.drop_table("device_labels")
