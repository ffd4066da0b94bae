"""Records in a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.records.port import Arrival, Content, Kept, Rejection, Selection
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.messages import Inference
from protocol.presence import Availability
from protocol.samples import Sample

_PAGE = 1000
_RECORD_ORDER = ("received_at", "device", "boot", "sequence")


class SqlRecords(SqlAccess):
    """A `RecordStore` in a database. Every method is one transaction, but for reading many records, which goes page by page."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        # One order for all processes, or two batches that share records would wait for each other.
        ordered = sorted(arrivals, key=lambda arrival: arrival.identity)
        seen = {arrival.device: arrival.received_at for arrival in ordered}
        try:
            with self._database.writing() as connection:
                for table in (schema.inferences, schema.measurements, schema.samples, schema.rejected):
                    if rows := [_row(arrival) for arrival in ordered if _table_of(arrival) is table]:
                        connection.execute(self._insert(table).on_conflict_do_nothing(), rows)
                if seen:
                    unsaid = Availability.OFFLINE.value
                    rows = [{"device": name, "availability": unsaid, "last_seen": at} for name, at in seen.items()]
                    insert = self._insert(schema.presence)
                    update = {"last_seen": insert.excluded.last_seen}
                    connection.execute(insert.on_conflict_do_update(index_elements=["device"], set_=update), rows)
        except (UnicodeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"the database cannot keep this: {error}") from error

    def measurements(self, selection: Selection) -> Iterator[Kept]:
        return self._pages(schema.measurements, selection, ("device", "network", "bundle", "run"))

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._pages(schema.inferences, selection, ("device", "network", "run"), latest_first=True, limit=limit)

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._pages(schema.samples, selection, ("device",), latest_first=True, limit=limit)

    def count_inferences(self, *, run: str | None = None) -> int:
        query = sa.select(sa.func.count()).select_from(schema.inferences)
        return self._count(query if run is None else query.where(schema.inferences.c.run == run))

    def count_rejected(self) -> int:
        return self._count(sa.select(sa.func.count()).select_from(schema.rejected))

    def _pages(
        self,
        table: sa.Table,
        selection: Selection,
        filters: Sequence[str],
        *,
        latest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[Kept]:
        """Records page by page, so that neither memory nor a transaction grows with their number."""
        keys = [table.c[name] for name in _RECORD_ORDER]
        order = [key.desc() if latest_first else key.asc() for key in keys]
        query = sa.select(*keys, table.c.body).where(*_conditions(table, selection, filters)).order_by(*order)
        left, last = limit, None
        while left is None or left > 0:
            page = query.limit(_PAGE if left is None else min(_PAGE, left))
            if last is not None:
                here, there = sa.tuple_(*keys), sa.tuple_(*last)
                page = page.where(here < there if latest_first else here > there)
            rows = self._all(page)
            yield from (Kept(row.device, row.boot, row.sequence, row.received_at, row.body) for row in rows)
            if len(rows) < _PAGE:
                return
            last, left = rows[-1][:4], None if left is None else left - len(rows)


def _conditions(table: sa.Table, selection: Selection, filters: Sequence[str]) -> Iterator[sa.ColumnElement[bool]]:
    for name in filters:
        if (wanted := getattr(selection, name)) is not None:
            yield table.c[name] == wanted
    if selection.received_since is not None:
        yield table.c.received_at >= selection.received_since


def _table_of(arrival: Arrival) -> sa.Table:
    match arrival.content:
        case Inference():
            return schema.inferences
        case Measurement():
            return schema.measurements
        case Sample():
            return schema.samples
        case Rejection():
            return schema.rejected


def _row(arrival: Arrival) -> dict[str, Any]:
    shared = {
        "device": arrival.device,
        "boot": arrival.boot,
        "sequence": arrival.sequence,
        "received_at": arrival.received_at,
        "body": dict(arrival.body),
    }
    return shared | dict(_columns(arrival.content))


def _columns(content: Content) -> Mapping[str, Any]:
    match content:
        case Inference():
            names = ("network", "run", "strategy", "at", "violation")
            cut = content.configuration.cut if content.configuration else None
            return {"cut": cut} | {name: getattr(content, name) for name in names}
        case Measurement():
            return {name: getattr(content, name) for name in ("network", "bundle", "run")}
        case Sample():
            return {"at": content.at, "mean_w": content.mean_w}
        case Rejection():
            return {"reason": content.reason}
