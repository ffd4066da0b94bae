"""Rollouts and computations tell beside their content when they ended; what has ended is found by it."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PAGE = 10
_FINAL = {"rollouts": {"STOPPED", "DONE", "CANCELED"}, "computations": {"SUCCEEDED", "FAILED"}}


def upgrade() -> None:
    for name, final in _FINAL.items():
        op.add_column(name, sa.Column("ended_at", sa.Double))
        _tell(name, final)
        op.create_index(f"ix_{name}_ended_at", name, ["ended_at"])
    op.create_index("ix_jobs_ended_at", "jobs", ["ended_at"])


def downgrade() -> None:
    op.drop_index("ix_jobs_ended_at", "jobs")
    for name in _FINAL:
        op.drop_index(f"ix_{name}_ended_at", name)
        op.drop_column(name, "ended_at")


def _tell(name: str, final: Collection[str]) -> None:
    table = sa.table(
        name,
        *(sa.column(each) for each in ("id", "state", "created_at", "ended_at")),
        sa.column("content", sa.JSON),
    )
    columns, last = table.c, ""
    wanted = (columns.id, columns.created_at, columns.content)
    page = sa.select(*wanted).where(columns.state.in_(final)).order_by(columns.id).limit(_PAGE)
    while rows := op.get_bind().execute(page.where(columns.id > last)).all():
        for row in rows:
            ended_at = row.content.get("ended_at") or row.created_at
            op.execute(sa.update(table).where(columns.id == row.id).values(ended_at=ended_at))
        last = rows[-1].id
