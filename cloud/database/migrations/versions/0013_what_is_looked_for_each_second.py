"""Indexes for what is looked for each second: unpublished tables and lists of jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _partial("ix_desired_unpublished", "desired", ["device", "network"], sa.not_(sa.column("published", sa.Boolean)))
    _partial("ix_job_lists_unpublished", "job_lists", ["device"], sa.text("published < revision"))


def downgrade() -> None:
    op.drop_index("ix_job_lists_unpublished", "job_lists")
    op.drop_index("ix_desired_unpublished", "desired")


def _partial(name: str, table: str, columns: list[str], where: sa.ClauseElement) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
