"""Tables in a database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess, changed_by
from cloud.store.rollouts.values import RolloutState
from cloud.store.tables.port import (
    NO_TABLE,
    DesiredTable,
    DesiredVersion,
    ReceivedReport,
    TableVersion,
    not_newer,
    not_running,
    retired_meanwhile,
    signed_unknown,
)
from protocol.messages import TableReport
from protocol.signing import SignedTable

_VERSION = ("device", "network", "version", "digest", "content_digest", "bundle", "rows", "set_at")


class SqlTables(SqlAccess):
    """A `TableStore` in a database. Every method is one transaction."""

    def keep_signed(self, signed: Sequence[SignedTable]) -> None:
        # One order for all processes, or two that keep the same tables would wait for each other.
        rows = sorted((_row(each, set_at=None, desired=False) for each in signed), key=lambda row: str(row["digest"]))
        if rows:
            with self._database.writing() as connection:
                connection.execute(self._insert(schema.signed_tables).on_conflict_do_nothing(), rows)

    def signed(self, digest: str) -> SignedTable:
        columns = schema.signed_tables.c
        rows = self._all(sa.select(columns.content).where(columns.digest == digest))
        if not rows:
            raise signed_unknown(digest)
        return SignedTable.from_json(rows[0].content)

    def set_desired(self, signed: SignedTable, *, at: float | None = None, rollout: str | None = None) -> None:
        table, columns = signed.table, schema.desired.c
        values = {"version": table.version, "digest": table.digest, "published": False}
        insert = self._insert(schema.desired).values(device=table.device, network=table.network, **values)
        again = (columns.digest == table.digest) & sa.not_(columns.published)
        newer = insert.on_conflict_do_update(
            index_elements=["device", "network"], set_=values, where=(columns.version < table.version) | again
        )
        with self._database.writing() as connection:
            if rollout is not None and not _runs(connection, rollout):
                raise not_running(rollout)
            if rollout is not None and not _is_registered(connection, table.device):
                raise retired_meanwhile(table.device)
            changed = changed_by(connection, newer)
            if changed:
                self._keep_desired(connection, signed, at=at)
        if not changed:
            raise not_newer(signed, self.last_versions(table.network).get(table.device, table.version))

    def _keep_desired(self, connection: sa.Connection, signed: SignedTable, *, at: float | None) -> None:
        insert = self._insert(schema.signed_tables).values(**_row(signed, set_at=at, desired=True))
        first = sa.func.coalesce(schema.signed_tables.c.set_at, at)
        now = {"content": insert.excluded.content, "desired": True, "set_at": first}
        connection.execute(insert.on_conflict_do_update(index_elements=["digest"], set_=now))

    def note_published(self, device: str, network: str, *, digest: str) -> None:
        columns = schema.desired.c
        this = (columns.device == device) & (columns.network == network) & (columns.digest == digest)
        self._change(sa.update(schema.desired).where(this).values(published=True))

    def note_desired_lost(self) -> None:
        self._change(sa.update(schema.desired).where(schema.desired.c.published).values(published=False))

    def desired(self, device: str, network: str) -> DesiredTable | None:
        desired, signed = schema.desired.c, schema.signed_tables.c
        query = sa.select(signed.content, desired.published).join_from(schema.desired, schema.signed_tables, _joined())
        rows = self._all(query.where(desired.device == device, desired.network == network))
        return DesiredTable(SignedTable.from_json(rows[0].content), rows[0].published) if rows else None

    def desired_versions(self, network: str) -> dict[str, DesiredVersion]:
        columns = [schema.signed_tables.c[name] for name in _VERSION]
        query = sa.select(*columns, schema.desired.c.published)
        query = query.join_from(schema.desired, schema.signed_tables, _joined())
        rows = self._all(query.where(schema.desired.c.network == network).order_by(schema.desired.c.device))
        return {row.device: DesiredVersion(_version(row), row.published) for row in rows}

    def last_versions(self, network: str) -> dict[str, int]:
        columns = schema.desired.c
        rows = self._all(sa.select(columns.device, columns.version).where(columns.network == network))
        return {row.device: row.version for row in rows}

    def has_tables(self, device: str) -> bool:
        of_tables = (sa.exists().where(table.c.device == device) for table in (schema.desired, schema.reported))
        return bool(self._all(sa.select(sa.or_(*of_tables)))[0][0])

    def withdrawn(self, device: str) -> list[str]:
        columns = schema.desired.c
        mine = (columns.device == device) & (columns.digest == NO_TABLE)
        return [row.network for row in self._all(sa.select(columns.network).where(mine).order_by(columns.network))]

    def unpublished_desired(self) -> list[tuple[str, str]]:
        columns = schema.desired.c
        query = sa.select(columns.device, columns.network).where(sa.not_(columns.published))
        return [(row.device, row.network) for row in self._all(query.order_by(columns.device, columns.network))]

    def history(
        self, device: str, network: str, *, below: int | None = None, limit: int | None = None
    ) -> list[TableVersion]:
        columns = schema.signed_tables.c
        mine = (columns.device == device) & (columns.network == network) & columns.desired
        if below is not None:
            mine &= columns.version < below
        query = sa.select(*(columns[name] for name in _VERSION)).where(mine).order_by(columns.version.desc())
        return [_version(row) for row in self._all(query.limit(limit))]

    def knows_network(self, network: str) -> bool:
        of_it = (sa.exists().where(table.c.network == network) for table in (schema.bundles, schema.desired))
        return bool(self._all(sa.select(sa.or_(*of_it)))[0][0])

    def note_report(self, device: str, report: TableReport, *, at: float, now: float = math.inf) -> None:
        columns, values = schema.reported.c, {"received_at": at, "content": report.to_json()}
        insert = self._insert(schema.reported).values(device=device, network=report.network, **values)
        later = (columns.received_at <= at) | (columns.received_at > now)
        another = sa.cast(columns.content, sa.Text) != sa.cast(insert.excluded.content, sa.Text)
        self._change(
            insert.on_conflict_do_update(index_elements=["device", "network"], set_=values, where=later & another)
        )

    def reported(self, device: str, network: str) -> TableReport | None:
        columns = schema.reported.c
        rows = self._all(sa.select(columns.content).where(columns.device == device, columns.network == network))
        return TableReport.from_json(rows[0].content) if rows else None

    def reports(self, network: str) -> dict[str, ReceivedReport]:
        rows = self._all(sa.select(schema.reported).where(schema.reported.c.network == network))
        return {row.device: ReceivedReport(TableReport.from_json(row.content), row.received_at) for row in rows}


def _runs(connection: sa.Connection, rollout: str) -> bool:
    """Whether it does, which stays so until the end of the transaction: who stops it waits."""
    columns = schema.rollouts.c
    state = connection.scalar(sa.select(columns.state).where(columns.id == rollout).with_for_update())
    return bool(state == RolloutState.RUNNING.value)


def _is_registered(connection: sa.Connection, device: str) -> bool:
    """Whether it is, which stays so until the end of the transaction: who retires it waits, and withdraws the table then."""
    named = sa.select(schema.devices.c.name).where(schema.devices.c.name == device)
    return connection.scalar(named.with_for_update(read=True, key_share=True)) is not None


def _joined() -> sa.ColumnElement[bool]:
    return schema.desired.c.digest == schema.signed_tables.c.digest


def _row(signed: SignedTable, *, set_at: float | None, desired: bool) -> dict[str, Any]:
    version = TableVersion.of(signed.table, set_at=set_at)
    return {**version.to_json(), "desired": desired, "content": signed.to_json()}


def _version(row: sa.Row[Any]) -> TableVersion:
    return TableVersion(**{name: getattr(row, name) for name in _VERSION})
