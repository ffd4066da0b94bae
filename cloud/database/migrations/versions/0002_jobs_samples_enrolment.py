"""Jobs, samples and enrolments; presence in three words."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NAME = sa.String(64)
_DIGEST = sa.String(64)


def upgrade() -> None:
    _presence_in_words()
    _jobs()
    _samples()
    _enrolments()


def downgrade() -> None:
    for name in ("enrolment_tries", "enrolments", "samples", "job_lists", "jobs"):
        op.drop_table(name)
    _presence_as_flag()


def _presence_in_words() -> None:
    op.add_column("presence", sa.Column("availability", sa.String(16)))
    op.execute("UPDATE presence SET availability = CASE WHEN online THEN 'online' ELSE 'offline' END")
    with op.batch_alter_table("presence") as presence:
        presence.alter_column("availability", existing_type=sa.String(16), nullable=False)
        presence.drop_column("online")


def _presence_as_flag() -> None:
    op.add_column("presence", sa.Column("online", sa.Boolean))
    op.execute("UPDATE presence SET online = (availability = 'online')")
    with op.batch_alter_table("presence") as presence:
        presence.alter_column("online", existing_type=sa.Boolean(), nullable=False)
        presence.drop_column("availability")


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _NAME, primary_key=True),
        sa.Column("device", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("timeout_s", sa.Double, nullable=False),
        sa.Column("cancel", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("ended_at", sa.Double),
    )
    op.create_index("ix_jobs_device", "jobs", ["device", "created_at"])
    op.create_table(
        "job_lists",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("published", sa.BigInteger, nullable=False),
    )


def _samples() -> None:
    op.create_table(
        "samples",
        sa.Column("device", _NAME, primary_key=True),
        sa.Column("boot", _NAME, primary_key=True),
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("mean_w", sa.Double),
    )
    op.create_index("ix_samples_received_at", "samples", ["device", "received_at"])


def _enrolments() -> None:
    op.create_table(
        "enrolments",
        sa.Column("code_digest", _DIGEST, primary_key=True),
        sa.Column("device", _NAME, nullable=False),
        sa.Column("replace", sa.Boolean, nullable=False),
        sa.Column("sealed_password", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
    )
    op.create_table(
        "enrolment_tries",
        sa.Column("peer", _NAME, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
