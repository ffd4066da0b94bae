"""Tokens with scopes, the audit, and wrong tries of more than codes. Going back loses the tokens and the audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NAME = sa.String(64)
_DIGEST = sa.String(64)
_TAG = sa.String(200)


def upgrade() -> None:
    _tokens()
    _audit()
    op.create_table(
        "tries",
        sa.Column("of", sa.String(16), primary_key=True),
        sa.Column("peer", _NAME, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.execute("INSERT INTO tries SELECT 'code', peer, count, since FROM enrolment_tries")
    op.drop_table("enrolment_tries")


def downgrade() -> None:
    """Tokens and audit are lost."""
    op.create_table(
        "enrolment_tries",
        sa.Column("peer", _NAME, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.execute("INSERT INTO enrolment_tries SELECT peer, count, since FROM tries WHERE \"of\" = 'code'")
    for name in ("tries", "audit", "tokens"):
        op.drop_table(name)


def _tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("sha256", _DIGEST, nullable=False, unique=True),
        sa.Column("scopes", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("last_used_on", sa.String(10), nullable=False),
        sa.Column("revoked_at", sa.Double),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String(80), nullable=False),
        sa.Column("peer", _NAME, nullable=False),
        sa.Column("what", _TAG, nullable=False),
        sa.Column("on", _TAG, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("request_id", _NAME, nullable=False),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
