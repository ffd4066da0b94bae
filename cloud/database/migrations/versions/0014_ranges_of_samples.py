"""Minutes tell their samples as ranges, `[boot, first, last]`; what is there, `[boot, sequence]`, is read as a range of one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_PAGE = 1000
_LONGEST = 10_000
"""Of a range in which old gaps were closed; what was before comes no more."""
_MINUTES = sa.table(
    "sample_minutes",
    sa.column("device", sa.String),
    sa.column("minute", sa.BigInteger),
    sa.column("provenance", sa.String),
    sa.column("clock_synced", sa.Boolean),
    sa.column("sources", sa.JSON),
)
_KEY = [_MINUTES.c[name] for name in ("device", "minute", "provenance", "clock_synced")]


def upgrade() -> None:
    """Nothing is rewritten: years of minutes would keep everybody waiting."""


def downgrade() -> None:
    query = sa.select(*_KEY, _MINUTES.c.sources).order_by(*_KEY).limit(_PAGE)
    page = query
    while rows := op.get_bind().execute(page).all():
        for row in rows:
            if any(len(each) > 2 for each in row.sources):
                here = sa.and_(*(column == value for column, value in zip(_KEY, row[:4], strict=True)))
                op.execute(sa.update(_MINUTES).where(here).values(sources=_single(row.sources)))
        page = query.where(sa.tuple_(*_KEY) > sa.tuple_(*rows[-1][:4]))


def _single(ranges: list[Any]) -> list[list[Any]]:
    return [[boot, each] for boot, *ends in ranges for each in range(max(ends[0], ends[-1] - _LONGEST), ends[-1] + 1)]
