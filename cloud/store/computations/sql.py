"""Computations in a database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.computations.port import Computation, ComputationState, computation_unknown

_UNFINISHED = [state.value for state in ComputationState if not state.final]


class SqlComputations(SqlAccess):
    """A `ComputationStore` in a database. Every method is one transaction."""

    def add_computation(self, computation: Computation) -> None:
        identity = {"id": computation.id, "created_at": computation.created_at}
        self._change(sa.insert(schema.computations).values(**identity, **_progress(computation)))

    def computation(self, computation_id: str) -> Computation:
        columns = schema.computations.c
        rows = self._all(sa.select(columns.content).where(columns.id == computation_id))
        if not rows:
            raise computation_unknown(computation_id)
        return Computation.from_json(rows[0].content)

    def unfinished_computations(self) -> list[Computation]:
        columns = schema.computations.c
        # Says of the end what follows from the state: by it the few are found.
        query = sa.select(columns.content).where(columns.state.in_(_UNFINISHED), columns.ended_at.is_(None))
        rows = self._all(query.order_by(columns.created_at, columns.id))
        return [Computation.from_json(row.content) for row in rows]

    def save_computation(self, computation: Computation) -> bool:
        columns = schema.computations.c
        same = (columns.id == computation.id) & (columns.revision == computation.revision)
        return self._change(sa.update(schema.computations).where(same).values(**_progress(computation, step=1))) == 1


def _progress(computation: Computation, *, step: int = 0) -> dict[str, Any]:
    revision = computation.revision + step
    return {
        "state": computation.state.value,
        "revision": revision,
        "ended_at": computation.ended_at,
        "content": {**computation.to_json(), "revision": revision},
    }
