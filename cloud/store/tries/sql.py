"""Wrong tries in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.tries.port import FORGOTTEN_S


class SqlTries(SqlAccess):
    """A `TryStore` in a database."""

    def note_wrong_try(self, of: str, peer: str, *, at: float, window_s: float) -> None:
        tries = schema.tries.c
        stale = tries.since < at - window_s
        following = {
            "count": sa.case((stale, 1), else_=tries["count"] + 1),
            "since": sa.case((stale, at), else_=tries.since),
        }
        insert = self._insert(schema.tries).values(of=of, peer=peer, count=1, since=at)
        with self._database.writing() as connection:
            connection.execute(sa.delete(schema.tries).where(tries.since < at - FORGOTTEN_S))
            connection.execute(insert.on_conflict_do_update(index_elements=["of", "peer"], set_=following))

    def wrong_tries(self, of: str, peer: str, *, since: float) -> int:
        tries = schema.tries.c
        rows = self._all(sa.select(tries["count"]).where(tries.of == of, tries.peer == peer, tries.since >= since))
        return int(rows[0][0]) if rows else 0
