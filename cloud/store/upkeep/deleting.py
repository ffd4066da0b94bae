"""Deleting rows by their keys, few at a time: nobody who writes waits for long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database.access import changed_by
from cloud.database.engine import Database

_AT_ONCE = 100


def forget_rows(database: Database, table: sa.Table, old: sa.ColumnElement[bool], *, limit: int) -> int:
    """Deletes some of what is old, at most `limit`; how many.

    Looked for before the transaction that deletes: what another process deletes in between is gone as well.
    """
    with database.reading() as connection:
        rows = connection.execute(sa.select(*table.primary_key).where(old).limit(limit)).all()
    if not rows:
        return 0
    with database.writing() as connection:
        return delete(connection, table, rows)


def delete(
    connection: sa.Connection,
    table: sa.Table,
    identities: Sequence[Sequence[Any]],
    *,
    only: sa.ColumnElement[bool] | None = None,
) -> int:
    """Deletes the rows with these primary keys, of them those that `only` is true for; how many there were."""
    keys, more = list(table.primary_key), [] if only is None else [only]
    return sum(
        changed_by(
            connection,
            sa.delete(table).where(
                sa.tuple_(*keys).in_([tuple(each) for each in identities[at : at + _AT_ONCE]]), *more
            ),
        )
        for at in range(0, len(identities), _AT_ONCE)
    )
