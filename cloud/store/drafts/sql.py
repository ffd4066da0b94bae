"""Drafts in a database."""

from __future__ import annotations

from dataclasses import asdict, fields

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.drafts.port import DraftFacts, DraftPlace, draft_unknown, draft_used
from protocol.table import Table

_FACTS = [schema.drafts.c[each.name] for each in fields(DraftFacts)]


class SqlDrafts(SqlAccess):
    """A `DraftStore` in a database. Every method is one transaction."""

    def add_draft(self, table: Table, *, at: float) -> None:
        facts = asdict(DraftFacts.of(table, at=at))
        insert = self._insert(schema.drafts).values(**facts, content=table.to_json())
        self._change(insert.on_conflict_do_update(index_elements=["digest"], set_={"added_at": at}))

    def draft(self, digest: str) -> Table:
        rows = self._all(sa.select(schema.drafts.c.content).where(schema.drafts.c.digest == digest))
        if not rows:
            raise draft_unknown(digest)
        return Table.from_json(rows[0].content)

    def drafts(self, *, before: DraftPlace | None = None, limit: int | None = None) -> list[DraftFacts]:
        columns = schema.drafts.c
        query = sa.select(*_FACTS).order_by(columns.added_at.desc(), columns.digest.desc()).limit(limit)
        if before is not None:
            # Says the same of the first key once more: an index is searched for it, not for the two together.
            here = sa.tuple_(columns.added_at, columns.digest)
            query = query.where(here < sa.tuple_(*before), columns.added_at <= before[0])
        return [DraftFacts(**row._mapping) for row in self._all(query)]

    def remove_draft(self, digest: str) -> None:
        columns, signed, desired = schema.drafts.c, schema.signed_tables.c, schema.desired.c
        content = sa.select(columns.content_digest).where(columns.digest == digest)
        users = sa.select(desired.device, desired.network).where(desired.digest == signed.digest)
        with self._database.writing() as connection:
            found = connection.scalar(content)
            if found is None:
                raise draft_unknown(digest)
            if user := connection.execute(users.where(signed.content_digest == found).limit(1)).first():
                raise draft_used(digest, device=user.device, network=user.network)
            connection.execute(sa.delete(schema.drafts).where(columns.digest == digest))
