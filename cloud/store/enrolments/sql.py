"""Enrolments in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess, changed_by
from cloud.store.devices.port import device_exists
from cloud.store.enrolments.port import Enrolment, code_unknown, code_used


class SqlEnrolments(SqlAccess):
    """An `EnrolmentStore` in a database."""

    def add_enrolment(self, enrolment: Enrolment, *, forget_before: float) -> None:
        expired = schema.enrolments.c.expires_at < forget_before
        with self._database.writing() as connection:
            connection.execute(sa.delete(schema.enrolments).where(expired))
            connection.execute(unused_codes(enrolment.device))
            connection.execute(sa.insert(schema.enrolments).values(**vars(enrolment)))

    def enrolment(self, code_digest: str) -> Enrolment | None:
        rows = self._all(sa.select(schema.enrolments).where(schema.enrolments.c.code_digest == code_digest))
        return Enrolment(**rows[0]._mapping) if rows else None

    def use_enrolment(self, code_digest: str, *, token_sha256: str, at: float) -> None:
        columns = schema.enrolments.c
        this = columns.code_digest == code_digest
        use = sa.update(schema.enrolments).where(this, columns.used_at.is_(None)).values(used_at=at)
        with self._database.writing() as connection:
            found = connection.execute(sa.select(columns.device, columns.replace).where(this)).first()
            if found is None:
                raise code_unknown()
            device, replace = found
            if not changed_by(connection, use):
                raise code_used(device)
            insert = self._insert(schema.devices).values(name=device, token_sha256=token_sha256)
            if replace:
                renewed = insert.on_conflict_do_update(index_elements=["name"], set_={"token_sha256": token_sha256})
                connection.execute(renewed)
            elif not changed_by(connection, insert.on_conflict_do_nothing()):
                raise device_exists(device)


def unused_codes(device: str) -> sa.Delete:
    """Takes back the codes of a device that nobody has used."""
    columns = schema.enrolments.c
    return sa.delete(schema.enrolments).where(columns.device == device, columns.used_at.is_(None))
