"""The first tables: devices, bundles, tables and records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAME = sa.String(64)
_DIGEST = sa.String(64)
_TAG = sa.String(200)


def upgrade() -> None:
    _devices()
    _bundles_and_tables()
    _records()


def downgrade() -> None:
    for name in (
        "rejected",
        "measurements",
        "inferences",
        "reported",
        "desired",
        "drafts",
        "bundles",
        "presence",
        "devices",
    ):
        op.drop_table(name)


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("token_sha256", _DIGEST, nullable=False, unique=True),
    )
    op.create_table(
        "presence",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("online", sa.Boolean, nullable=False),
        sa.Column("last_seen", sa.Double),
    )


def _bundles_and_tables() -> None:
    op.create_table(
        "bundles",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("loaded", sa.Boolean, nullable=False),
        sa.UniqueConstraint("network", "version", name="uq_bundles_network_version"),
    )
    op.create_table(
        "drafts",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("device", _NAME, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "desired",
        *_of_device_and_network(),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("digest", _DIGEST, nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "reported",
        *_of_device_and_network(),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )


def _records() -> None:
    op.create_table(
        "inferences",
        *_identity(),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("run", _TAG, nullable=False),
        sa.Column("strategy", _NAME, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("violation", sa.Boolean, nullable=False),
        sa.Column("cut", sa.Integer),
    )
    op.create_index("ix_inferences_run", "inferences", ["run"])
    op.create_index("ix_inferences_received_at", "inferences", ["received_at"])
    op.create_table(
        "measurements",
        *_identity(),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("bundle", _DIGEST, nullable=False),
        sa.Column("run", _TAG, nullable=False),
    )
    op.create_index("ix_measurements_network", "measurements", ["network", "bundle"])
    op.create_index("ix_measurements_received_at", "measurements", ["received_at"])
    op.create_table("rejected", *_identity(), sa.Column("reason", sa.Text, nullable=False))


def _of_device_and_network() -> list[sa.Column[str]]:
    return [sa.Column("device", _NAME, primary_key=True), sa.Column("network", _NAME, primary_key=True)]


def _identity() -> list[sa.Column[object]]:
    return [
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("boot", _NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    ]
