"""The index of a device's inferences holds what charts sum up."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEY = ["device", "received_at"]
_SUMS = ["violation", "edge_provenance", "edge_mj", "cloud_provenance", "cloud_mj"]


def upgrade() -> None:
    op.drop_index("ix_inferences_device", "inferences")
    op.create_index("ix_inferences_device", "inferences", [*_KEY, *_SUMS])


def downgrade() -> None:
    op.drop_index("ix_inferences_device", "inferences")
    op.create_index("ix_inferences_device", "inferences", _KEY)
