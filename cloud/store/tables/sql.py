"""Tables in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.tables.port import DesiredTable, draft_unknown, not_newer
from protocol.messages import TableReport
from protocol.signing import SignedTable
from protocol.table import Table


class SqlTables(SqlAccess):
    """A `TableStore` in a database. Every method is one transaction."""

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
