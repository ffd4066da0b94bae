"""Records that grow old, in a database."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.store.upkeep.deleting import delete, forget_rows
from cloud.store.upkeep.ended_sql import SqlEnded
from cloud.store.upkeep.minutes import SampleMinute, kept_minute, together
from cloud.store.upkeep.port import Perishable

_UPKEEP_LOCK = 0x44594E42
"""The key of the PostgreSQL advisory lock under which samples are put together: two transactions that read the same minute would
each forget what the other adds. SQLite has one writer anyhow."""
_PAGE = 1000
_EARLIEST = -(2.0**62)
_RECORDS = {
    Perishable.INFERENCES: schema.inferences,
    Perishable.SAMPLES: schema.samples,
    Perishable.DEAD_LETTERS: schema.dead_letters,
}


class SqlUpkeep(SqlEnded):
    """An `UpkeepStore` in a database."""

    def thin_samples(self, *, received_before: float, limit: int = 1000) -> int:
        for device in self._devices_with_samples(received_before):
            if thinned := self._thin(device, received_before=received_before, limit=limit):
                return thinned
        return 0

    def _devices_with_samples(self, before: float) -> Sequence[str]:
        """Asked device by device, which the index of samples answers at once; in all samples it would have to look for them."""
        samples = schema.samples.c
        any_old = sa.exists().where(samples.device == schema.presence.c.device, samples.received_at < before)
        rows = self._all(sa.select(schema.presence.c.device).where(any_old).order_by(schema.presence.c.device))
        return [row.device for row in rows]

    def _thin(self, device: str, *, received_before: float, limit: int) -> int:
        samples = schema.samples.c
        old = (samples.device == device) & (samples.received_at < received_before)
        columns = (samples.boot, samples.sequence, samples.body)
        query = sa.select(*columns).where(old).order_by(samples.received_at).limit(limit)
        with self._database.writing() as connection:
            if not self._alone(connection):
                return 0
            rows = connection.execute(query).all()
            kept = [kept_minute(row.body, device=device, source=(row.boot, row.sequence)) for row in rows]
            self._put_in(connection, [minute for minute in kept if minute])
            delete(connection, schema.samples, [(device, row.boot, row.sequence) for row in rows])
        return len(rows)

    def _alone(self, connection: sa.Connection) -> bool:
        """Until the end of the transaction."""
        if self._database.dialect == "sqlite":
            return True
        return bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_UPKEEP_LOCK))).scalar())

    def _put_in(self, connection: sa.Connection, minutes: Sequence[SampleMinute]) -> None:
        known, new = _known(connection, minutes), defaultdict(list)
        for minute in minutes:
            new[minute.key].append(minute)
        gathered = [together(known.get(key), samples) for key, samples in new.items()]
        insert = self._insert(schema.sample_minutes)
        update = {"figures": insert.excluded.figures, "sources": insert.excluded.sources}
        keys = list(schema.sample_minutes.primary_key)
        rows = [_row(minute) for minute in gathered if minute]
        if rows:
            connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=update), rows)

    def sample_minutes(
        self, device: str, *, since: float | None = None, limit: int | None = None
    ) -> Iterator[SampleMinute]:
        keys = [schema.sample_minutes.c[name] for name in ("device", "minute", "provenance", "clock_synced")]
        query = sa.select(schema.sample_minutes).where(keys[0] == device)
        if since is not None:
            query = query.where(keys[1] >= since)
        query = query.order_by(*(key.desc() for key in keys))
        left, page = limit, query
        while left is None or left > 0:
            rows = self._all(page.limit(_PAGE if left is None else min(_PAGE, left)))
            yield from map(_minute, rows)
            if len(rows) < _PAGE:
                return
            left = None if left is None else left - len(rows)
            page = query.where(sa.tuple_(*keys) < sa.tuple_(*rows[-1][:4]))

    def forget(self, kind: Perishable, *, before: float, limit: int = 1000) -> int:
        if kind not in _RECORDS:
            return self._forget_ended(kind, before=before, limit=limit)
        table = _RECORDS[kind]
        gone = forget_rows(self._database, table, table.c.received_at < before, limit=limit)
        if kind is Perishable.SAMPLES:
            minutes = schema.sample_minutes
            # As an integer: PostgreSQL uses no index to compare one with a float.
            old = minutes.c.minute < math.ceil(max(before, _EARLIEST))
            gone += forget_rows(self._database, minutes, old, limit=limit)
        return gone


def _known(
    connection: sa.Connection, minutes: Sequence[SampleMinute]
) -> dict[tuple[str, int, str, bool], SampleMinute]:
    columns = schema.sample_minutes.c
    wanted = sorted({minute.minute for minute in minutes})
    devices = {minute.device for minute in minutes}
    query = sa.select(schema.sample_minutes).where(columns.device.in_(devices), columns.minute.in_(wanted))
    return {minute.key: minute for minute in map(_minute, connection.execute(query).all())}


def _minute(row: sa.Row[Any]) -> SampleMinute:
    return SampleMinute.stored(row[:4], row.figures, row.sources)


def _row(minute: SampleMinute) -> dict[str, Any]:
    return {
        **dict(zip(("device", "minute", "provenance", "clock_synced"), minute.key, strict=True)),
        "figures": minute.figures(),
        "sources": minute.sources,
    }
