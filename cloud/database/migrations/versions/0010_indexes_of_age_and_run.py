"""Indexes for what grows old, and for measurements of a run, of a device, and of a bundle in the order of their coming."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_OF_A_BUNDLE = ["network", "bundle"]


def upgrade() -> None:
    op.create_index("ix_samples_age", "samples", ["received_at"])
    op.create_index("ix_sample_minutes_age", "sample_minutes", ["minute"])
    of_a_run = sa.text("run <> ''")
    op.create_index(
        "ix_measurements_run",
        "measurements",
        ["run", "received_at"],
        sqlite_where=of_a_run,
        postgresql_where=of_a_run,
    )
    op.create_index("ix_measurements_device", "measurements", ["device", "received_at"])
    op.drop_index("ix_measurements_network", "measurements")
    op.create_index("ix_measurements_network", "measurements", [*_OF_A_BUNDLE, "received_at"])


def downgrade() -> None:
    op.drop_index("ix_measurements_network", "measurements")
    op.create_index("ix_measurements_network", "measurements", _OF_A_BUNDLE)
    for name in ("ix_measurements_device", "ix_measurements_run"):
        op.drop_index(name, "measurements")
    op.drop_index("ix_sample_minutes_age", "sample_minutes")
    op.drop_index("ix_samples_age", "samples")
