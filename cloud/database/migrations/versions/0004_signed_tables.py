"""Signed tables are kept once, by digest, and stay when they are no longer desired."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.documents import digest_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = sa.String(64)
_DIGEST = sa.String(64)

_DESIRED = sa.table(
    "desired",
    sa.column("device", sa.String),
    sa.column("network", sa.String),
    sa.column("version", sa.BigInteger),
    sa.column("digest", sa.String),
    sa.column("content", sa.JSON),
)


def upgrade() -> None:
    signed = op.create_table(
        "signed_tables",
        sa.Column("digest", _DIGEST, primary_key=True),
        sa.Column("device", _NAME, nullable=False),
        sa.Column("network", _NAME, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("content_digest", _DIGEST, nullable=False),
        sa.Column("bundle", _DIGEST, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("desired", sa.Boolean, nullable=False),
        sa.Column("set_at", sa.Double),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_index("ix_signed_tables_device", "signed_tables", ["device", "network", "version"])
    if rows := [_signed(row) for row in op.get_bind().execute(sa.select(_DESIRED))]:
        op.bulk_insert(signed, rows)
    with op.batch_alter_table("desired") as desired:
        desired.drop_column("content")
    op.create_index("ix_desired_network", "desired", ["network"])
    op.create_index("ix_reported_network", "reported", ["network"])


def downgrade() -> None:
    """Only the desired tables go on; the tables before them are lost."""
    op.drop_index("ix_reported_network", "reported")
    op.drop_index("ix_desired_network", "desired")
    op.add_column("desired", sa.Column("content", sa.JSON))
    op.execute(
        "UPDATE desired SET content = (SELECT content FROM signed_tables WHERE signed_tables.digest = desired.digest)"
    )
    with op.batch_alter_table("desired") as desired:
        desired.alter_column("content", existing_type=sa.JSON(), nullable=False)
    op.drop_table("signed_tables")


def _signed(row: sa.Row[Any]) -> dict[str, Any]:
    table = row.content["table"]
    return {
        "digest": row.digest,
        "device": row.device,
        "network": row.network,
        "version": row.version,
        "content_digest": digest_of({**table, "device": "", "version": 0}),
        "bundle": table["bundle"],
        "rows": len(table["rows"]),
        "desired": True,
        "content": row.content,
    }
