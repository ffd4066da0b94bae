"""Rollouts in a database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.rollouts.port import check_alone, rollout_unknown
from cloud.store.rollouts.values import Rollout, RolloutState

_STARTING_LOCK = 0x44594E43
"""The key of the PostgreSQL advisory lock under which rollouts start: of two at once the later one must see the other. SQLite has
one writer anyhow."""
UNFINISHED_ROLLOUTS = schema.rollouts.c.state.in_(
    [state.value for state in RolloutState if not state.final]
) & schema.rollouts.c.ended_at.is_(None)
"""Says of the end what follows from the state: by it the few are found."""


class SqlRollouts(SqlAccess):
    """A `RolloutStore` in a database. Every method is one transaction."""

    def add_rollout(self, rollout: Rollout) -> None:
        identity = {"id": rollout.id, "network": rollout.network, "created_at": rollout.created_at}
        columns = schema.rollouts.c
        others = sa.select(columns.content).where(columns.network == rollout.network, UNFINISHED_ROLLOUTS)
        with self._database.writing() as connection:
            if self._database.dialect != "sqlite":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_STARTING_LOCK)))
            check_alone(rollout, [Rollout.from_json(row.content) for row in connection.execute(others)])
            connection.execute(sa.insert(schema.rollouts).values(**identity, **_progress(rollout)))

    def rollout(self, rollout_id: str) -> Rollout:
        rows = self._all(sa.select(schema.rollouts.c.content).where(schema.rollouts.c.id == rollout_id))
        if not rows:
            raise rollout_unknown(rollout_id)
        return Rollout.from_json(rows[0].content)

    def rollouts(
        self, *, network: str | None = None, before: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[Rollout]:
        columns = schema.rollouts.c
        query = sa.select(columns.content).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
        if network is not None:
            query = query.where(columns.network == network)
        if before is not None:
            query = query.where(sa.tuple_(columns.created_at, columns.id) < sa.tuple_(*before))
        return [Rollout.from_json(row.content) for row in self._all(query)]

    def unfinished_rollouts(self) -> list[Rollout]:
        columns = schema.rollouts.c
        query = sa.select(columns.content).where(UNFINISHED_ROLLOUTS)
        return [Rollout.from_json(row.content) for row in self._all(query.order_by(columns.created_at, columns.id))]

    def save_rollout(self, rollout: Rollout) -> bool:
        columns = schema.rollouts.c
        same = (columns.id == rollout.id) & (columns.revision == rollout.revision)
        return self._change(sa.update(schema.rollouts).where(same).values(**_progress(rollout, step=1))) == 1


def _progress(rollout: Rollout, *, step: int = 0) -> dict[str, Any]:
    revision = rollout.revision + step
    return {
        "state": rollout.state.value,
        "revision": revision,
        "ended_at": rollout.ended_at,
        "content": {**rollout.to_json(), "revision": revision},
    }
