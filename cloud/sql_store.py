"""The store in a database: SQLite or PostgreSQL, through SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud import schema
from cloud.enrolment.sql import SqlEnrolments
from cloud.jobs.sql import SqlJobs
from cloud.refusals import device_exists, device_unknown, draft_unknown, not_newer
from cloud.store import (
    Arrival,
    Content,
    DesiredTable,
    Device,
    Kept,
    Rejection,
    Selection,
    StoredBundle,
)
from protocol.errors import InvalidInput
from protocol.measurement import Measurement
from protocol.messages import Inference, TableReport
from protocol.presence import Availability
from protocol.samples import Sample
from protocol.signing import SignedTable
from protocol.table import Table

_PAGE = 1000
_RECORD_ORDER = ("received_at", "device", "boot", "sequence")


class SqlStore(SqlJobs, SqlEnrolments):
    """A `Store` in a database. Every method is one transaction, but for reading many records, which goes page by page."""

    def ready(self) -> None:
        with self._database.reading() as connection:
            connection.execute(sa.select(schema.devices.c.name).limit(1))

    def add_device(self, name: str, *, token_sha256: str) -> None:
        insert = self._insert(schema.devices).values(name=name, token_sha256=token_sha256).on_conflict_do_nothing()
        if not self._change(insert):
            raise device_exists(name)

    def remove_device(self, name: str) -> None:
        if not self._change(sa.delete(schema.devices).where(schema.devices.c.name == name)):
            raise device_unknown(name)

    def device_with_token(self, token_sha256: str) -> str | None:
        columns = schema.devices.c
        rows = self._all(sa.select(columns.name).where(columns.token_sha256 == token_sha256))
        return str(rows[0].name) if rows else None

    def devices(self) -> list[Device]:
        registered = {row.name for row in self._all(sa.select(schema.devices.c.name))}
        seen = {row.device: row for row in self._all(sa.select(schema.presence))}
        return [
            Device(
                name,
                registered=name in registered,
                availability=Availability(seen[name].availability) if name in seen else Availability.OFFLINE,
                last_seen=seen[name].last_seen if name in seen else None,
            )
            for name in sorted(registered | set(seen))
        ]

    def note_availability(self, device: str, availability: Availability, *, at: float) -> None:
        word = availability.value
        insert = self._insert(schema.presence).values(device=device, availability=word, last_seen=at)
        self._change(
            insert.on_conflict_do_update(
                index_elements=["device"],
                set_={"availability": word, "last_seen": at},
                where=schema.presence.c.availability != word,
            )
        )

    def add_bundle(self, digest: str, *, network: str) -> StoredBundle:
        columns = schema.bundles.c
        following = sa.select(
            sa.literal(digest), sa.literal(network), sa.func.coalesce(sa.func.max(columns.version), 0) + 1, sa.true()
        ).where(columns.network == network)
        insert = self._insert(schema.bundles).from_select(["digest", "network", "version", "loaded"], following)
        # Two processes may compute the same version for two bundles: then one of them finds its row missing and goes again.
        while not (rows := self._all(sa.select(schema.bundles).where(columns.digest == digest))):
            self._change(insert.on_conflict_do_nothing())
        return StoredBundle(**rows[0]._mapping)

    def bundles(self) -> list[StoredBundle]:
        columns = schema.bundles.c
        rows = self._all(sa.select(schema.bundles).order_by(columns.network, columns.version))
        return [StoredBundle(**row._mapping) for row in rows]

    def set_loaded(self, digests: Sequence[str], *, loaded: bool) -> None:
        columns = schema.bundles.c
        self._change(sa.update(schema.bundles).where(columns.digest.in_(digests)).values(loaded=loaded))

    def add_draft(self, table: Table) -> None:
        insert = self._insert(schema.drafts).values(
            digest=table.digest, network=table.network, device=table.device, content=table.to_json()
        )
        self._change(insert.on_conflict_do_nothing())

    def draft(self, digest: str) -> Table:
        rows = self._all(sa.select(schema.drafts.c.content).where(schema.drafts.c.digest == digest))
        if not rows:
            raise draft_unknown(digest)
        return Table.from_json(rows[0].content)

    def drafts(self) -> list[Table]:
        columns = schema.drafts.c
        order = (columns.network, columns.device, columns.digest)
        return [Table.from_json(row.content) for row in self._all(sa.select(columns.content).order_by(*order))]

    def set_desired(self, signed: SignedTable) -> None:
        table, columns = signed.table, schema.desired.c
        values = {"version": table.version, "digest": table.digest, "published": False, "content": signed.to_json()}
        insert = self._insert(schema.desired).values(device=table.device, network=table.network, **values)
        again = (columns.digest == table.digest) & sa.not_(columns.published)
        changed = self._change(
            insert.on_conflict_do_update(
                index_elements=["device", "network"], set_=values, where=(columns.version < table.version) | again
            )
        )
        if not changed:
            known = self.desired(table.device, table.network)
            raise not_newer(signed, known.signed.table.version if known else table.version)

    def note_published(self, signed: SignedTable) -> None:
        columns = schema.desired.c
        mine = (columns.device == signed.table.device) & (columns.network == signed.table.network)
        this = columns.digest == signed.table.digest
        self._change(sa.update(schema.desired).where(mine & this).values(published=True))

    def desired(self, device: str, network: str) -> DesiredTable | None:
        columns = schema.desired.c
        rows = self._all(sa.select(schema.desired).where(columns.device == device, columns.network == network))
        return DesiredTable(SignedTable.from_json(rows[0].content), rows[0].published) if rows else None

    def all_desired(self) -> list[DesiredTable]:
        columns = schema.desired.c
        rows = self._all(sa.select(schema.desired).order_by(columns.device, columns.network))
        return [DesiredTable(SignedTable.from_json(row.content), row.published) for row in rows]

    def note_report(self, device: str, report: TableReport, *, at: float) -> None:
        values = {"received_at": at, "content": report.to_json()}
        insert = self._insert(schema.reported).values(device=device, network=report.network, **values)
        self._change(insert.on_conflict_do_update(index_elements=["device", "network"], set_=values))

    def reported(self, device: str, network: str) -> TableReport | None:
        columns = schema.reported.c
        rows = self._all(sa.select(columns.content).where(columns.device == device, columns.network == network))
        return TableReport.from_json(rows[0].content) if rows else None

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
