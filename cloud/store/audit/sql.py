"""Audit lines in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.audit.port import MOST_FORGOTTEN, AuditLine


class SqlAudit(SqlAccess):
    """An `AuditStore` in a database."""

    def add_audit(self, line: AuditLine, *, forget_before: float) -> None:
        with self._database.writing() as connection:
            columns = schema.audit.c
            old = sa.select(columns.number).where(columns.at < forget_before).order_by(columns.at, columns.number)
            connection.execute(sa.delete(schema.audit).where(columns.number.in_(old.limit(MOST_FORGOTTEN))))
            connection.execute(sa.insert(schema.audit).values(**vars(line)))

    def audit(self, *, limit: int, until: float | None = None) -> list[AuditLine]:
        columns = schema.audit.c
        query = sa.select(*(columns[name] for name in AuditLine.__dataclass_fields__))
        if until is not None:
            query = query.where(columns.at <= until)
        latest_first = query.order_by(columns.at.desc(), columns.number.desc()).limit(limit)
        return [AuditLine(**row._mapping) for row in self._all(latest_first)]
