"""Enrolments in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess, changed_by
from cloud.store.devices.port import device_exists
from cloud.store.enrolments.port import Enrolment, code_used


class SqlEnrolments(SqlAccess):
    """An `EnrolmentStore` in a database."""

    def add_enrolment(self, enrolment: Enrolment, *, forget_before: float) -> None:
        columns, tries = schema.enrolments.c, schema.enrolment_tries
        with self._database.writing() as connection:
            connection.execute(sa.delete(schema.enrolments).where(columns.expires_at < forget_before))
            connection.execute(sa.delete(tries).where(tries.c.since < forget_before))
            connection.execute(sa.insert(schema.enrolments).values(**vars(enrolment)))

    def enrolment(self, code_digest: str) -> Enrolment | None:
        rows = self._all(sa.select(schema.enrolments).where(schema.enrolments.c.code_digest == code_digest))
        return Enrolment(**rows[0]._mapping) if rows else None

    def use_enrolment(self, code_digest: str, *, token_sha256: str, at: float) -> None:
        columns = schema.enrolments.c
        this = columns.code_digest == code_digest
        use = sa.update(schema.enrolments).where(this, columns.used_at.is_(None)).values(used_at=at)
        with self._database.writing() as connection:
            device, replace = connection.execute(sa.select(columns.device, columns.replace).where(this)).one()
            if not changed_by(connection, use):
                raise code_used(device)
            insert = self._insert(schema.devices).values(name=device, token_sha256=token_sha256)
            if replace:
                renewed = insert.on_conflict_do_update(index_elements=["name"], set_={"token_sha256": token_sha256})
                connection.execute(renewed)
            elif not changed_by(connection, insert.on_conflict_do_nothing()):
                raise device_exists(device)

    def note_wrong_code(self, peer: str, *, at: float, window_s: float) -> None:
        tries = schema.enrolment_tries.c
        stale = tries.since < at - window_s
        following = {
            "count": sa.case((stale, 1), else_=tries["count"] + 1),
            "since": sa.case((stale, at), else_=tries.since),
        }
        insert = self._insert(schema.enrolment_tries).values(peer=peer, count=1, since=at)
        self._change(insert.on_conflict_do_update(index_elements=["peer"], set_=following))

    def wrong_codes(self, peer: str, *, since: float) -> int:
        tries = schema.enrolment_tries.c
        rows = self._all(sa.select(tries["count"]).where(tries.peer == peer, tries.since >= since))
        return int(rows[0][0]) if rows else 0
