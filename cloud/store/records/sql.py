"""Records in a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.many import add_new
from cloud.store.dead_letters.sql import SqlDeadLetters
from cloud.store.records.energies import energies_of
from cloud.store.records.port import RECORD_ORDER, Arrival, Content, Kept, Rejection, Selection, rejected
from cloud.store.records.selecting import beyond, conditions
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.messages import Inference
from protocol.presence import Availability
from protocol.samples import Sample

_PAGE = 1000
_TABLES: dict[sa.Table, type] = {
    schema.inferences: Inference,
    schema.measurements: Measurement,
    schema.samples: Sample,
}


class SqlRecords(SqlDeadLetters):
    """A `RecordStore` in a database. Every method is one transaction, but for reading many records, which goes page by page."""

    def write(self, arrivals: Sequence[Arrival]) -> None:
        # One order for all processes, or two batches that share records would wait for each other.
        ordered = sorted(arrivals, key=lambda arrival: arrival.identity)
        letters = [rejected(each, each.content) for each in ordered if isinstance(each.content, Rejection)]
        try:
            rows = {table: list(_rows(table, ordered)) for table in _TABLES}
            with self._database.writing() as connection:
                for table, mine in rows.items():
                    if mine:
                        add_new(connection, table, mine)
                if letters:
                    self._put_aside(connection, letters)
                self._note_seen(connection, {each.device: each.received_at for each in ordered})
        except (UnicodeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"the database cannot keep this: {error}") from error

    def _note_seen(self, connection: sa.Connection, seen: Mapping[str, float]) -> None:
        unsaid = Availability.OFFLINE.value
        rows = [{"device": name, "availability": unsaid, "last_seen": at} for name, at in seen.items()]
        if rows:
            insert = self._insert(schema.presence)
            update = {"last_seen": insert.excluded.last_seen}
            connection.execute(insert.on_conflict_do_update(index_elements=["device"], set_=update), rows)

    def measurements(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._pages(schema.measurements, selection, limit=limit)

    def inferences(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._pages(schema.inferences, selection, latest_first=True, limit=limit)

    def samples(self, selection: Selection, *, limit: int | None = None) -> Iterator[Kept]:
        return self._pages(schema.samples, selection, latest_first=True, limit=limit)

    def count_inferences(self, *, run: str | None = None) -> int:
        query = sa.select(sa.func.count()).select_from(schema.inferences)
        return self._count(query.where(*conditions(schema.inferences, Selection(run=run))))

    def count_measurements(self, selection: Selection) -> int:
        query = sa.select(sa.func.count()).select_from(schema.measurements)
        return self._count(query.where(*conditions(schema.measurements, selection)))

    def throttled_devices(self, *, received_since: float) -> list[str]:
        known, samples = schema.presence.c, schema.samples.c
        # Device by device, as the index of samples goes; whoever sent one is present.
        slowed = (
            sa.select(samples.sequence)
            .where(samples.device == known.device, samples.received_at >= received_since)
            .where(samples.body["throttled"].as_boolean())
        )
        rows = self._all(sa.select(known.device).where(sa.exists(slowed)).order_by(known.device))
        return [str(row.device) for row in rows]

    def _pages(
        self, table: sa.Table, selection: Selection, *, latest_first: bool = False, limit: int | None = None
    ) -> Iterator[Kept]:
        """Records page by page, so that neither memory nor a transaction grows with their number."""
        keys = [table.c[name] for name in RECORD_ORDER]
        order = [key.desc() if latest_first else key.asc() for key in keys]
        query = sa.select(*keys, table.c.body).where(*conditions(table, selection)).order_by(*order)
        left, last = limit, selection.after
        while left is None or left > 0:
            page = query.limit(_PAGE if left is None else min(_PAGE, left))
            if last is not None:
                page = page.where(beyond(table, last, latest_first=latest_first))
            kept = [Kept(row.device, row.boot, row.sequence, row.received_at, row.body) for row in self._all(page)]
            yield from kept
            if len(kept) < _PAGE:
                return
            last, left = kept[-1].position, None if left is None else left - len(kept)


def _rows(table: sa.Table, arrivals: Sequence[Arrival]) -> Iterator[dict[str, Any]]:
    return (_row(arrival) for arrival in arrivals if isinstance(arrival.content, _TABLES[table]))


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
            energies = vars(energies_of(content.cost))
            return {"cut": cut, **energies} | {name: getattr(content, name) for name in names}
        case Measurement():
            return {name: getattr(content, name) for name in ("network", "bundle", "run")}
        case Sample():
            return {"at": content.at, "mean_w": content.mean_w}
        case Rejection():
            raise AssertionError("a rejection is a dead letter, not a record")
