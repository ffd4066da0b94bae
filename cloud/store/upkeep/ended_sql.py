"""Drafts that nobody pushed, and what has ended, in a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.rollouts.sql import UNFINISHED_ROLLOUTS
from cloud.store.upkeep.deleting import delete, forget_rows
from cloud.store.upkeep.port import Perishable

_MOST_ROLLOUTS = 10
"""Each may have thousands of devices, with a signed table for each."""


class SqlEnded(SqlAccess):
    """What an `UpkeepStore` forgets of it."""

    def _forget_ended(self, kind: Perishable, *, before: float, limit: int) -> int:
        match kind:
            case Perishable.DRAFTS:
                columns = schema.drafts.c
                unused = (columns.added_at < before) & sa.not_(_pushed(columns.content_digest))
                return forget_rows(self._database, schema.drafts, unused, limit=limit)
            case Perishable.ROLLOUTS:
                return self._forget_rollouts(before=before, limit=min(limit, _MOST_ROLLOUTS))
            case Perishable.COMPUTATIONS:
                old = schema.computations.c.ended_at < before
                return forget_rows(self._database, schema.computations, old, limit=limit)
            case _:
                return forget_rows(self._database, schema.jobs, schema.jobs.c.ended_at < before, limit=limit)

    def _forget_rollouts(self, *, before: float, limit: int) -> int:
        """With the signed tables that they brought here and nobody ever was to use."""
        columns = schema.rollouts.c
        rows = self._all(sa.select(columns.id, columns.content).where(columns.ended_at < before).limit(limit))
        if not rows:
            return 0
        with self._database.writing() as connection:
            going_on = connection.scalars(sa.select(columns.content).where(UNFINISHED_ROLLOUTS)).all()
            left = _tables([row.content for row in rows]) - _tables(going_on)
            unused = sa.not_(schema.signed_tables.c.desired)
            delete(connection, schema.signed_tables, [(digest,) for digest in sorted(left)], only=unused)
            return delete(connection, schema.rollouts, [(row.id,) for row in rows])


def _pushed(content_digest: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether some device ever was to use a table with this content."""
    signed = schema.signed_tables.c
    return sa.exists().where(signed.content_digest == content_digest, signed.desired)


def _tables(rollouts: Sequence[Any]) -> set[str]:
    return {member["digest"] for content in rollouts for member in content["members"]}
