"""Devices in a database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess, changed_by
from cloud.store.devices.port import NO_LABELS, Device, device_exists, device_unknown
from cloud.store.enrolments.sql import unused_codes
from cloud.store.tables.port import NO_TABLE
from protocol.presence import Availability


class SqlDevices(SqlAccess):
    """A `DeviceStore` in a database. Every method is one transaction."""

    def add_device(self, name: str, *, token_sha256: str, labels: Mapping[str, str] = NO_LABELS) -> None:
        insert = self._insert(schema.devices).values(name=name, token_sha256=token_sha256).on_conflict_do_nothing()
        with self._database.writing() as connection:
            if not changed_by(connection, insert):
                raise device_exists(name)
            _label(connection, name, labels)

    def remove_device(self, name: str, *, at: float) -> None:
        with self._database.writing() as connection:
            taken_back = changed_by(connection, unused_codes(name))
            connection.execute(sa.delete(schema.device_labels).where(schema.device_labels.c.device == name))
            registered = changed_by(connection, sa.delete(schema.devices).where(schema.devices.c.name == name))
            if not (registered or taken_back):
                raise device_unknown(name)
            if registered:
                connection.execute(_stopped(name, at=at))
            connection.execute(sa.delete(schema.reported).where(schema.reported.c.device == name))
            shall_use = schema.desired.c
            mine = (shall_use.device == name) & (shall_use.digest != NO_TABLE)
            connection.execute(sa.update(schema.desired).where(mine).values(digest=NO_TABLE, published=False))

    def device_with_token(self, token_sha256: str) -> str | None:
        columns = schema.devices.c
        rows = self._all(sa.select(columns.name).where(columns.token_sha256 == token_sha256))
        return str(rows[0].name) if rows else None

    def devices(self, *, labels: Mapping[str, str] = NO_LABELS) -> list[Device]:
        return self._devices(*(schema.devices.c.name.in_(_labelled(key, value)) for key, value in labels.items()))

    def count_devices(self) -> Mapping[Availability, int]:
        word = sa.func.coalesce(schema.presence.c.availability, Availability.OFFLINE.value)
        seen = schema.devices.outerjoin(schema.presence, schema.presence.c.device == schema.devices.c.name)
        by_word = sa.select(word, sa.func.count()).select_from(seen).group_by(word)
        with self._database.reading() as connection:
            return {Availability(each): count for each, count in connection.execute(by_word)}

    def device(self, name: str) -> Device | None:
        found = self._devices(name=name)
        return found[0] if found else None

    def set_labels(self, name: str, labels: Mapping[str, str]) -> None:
        with self._database.writing() as connection:
            known = sa.select(schema.devices.c.name).where(schema.devices.c.name == name).with_for_update()
            if connection.execute(known).first() is None:
                raise device_unknown(name)
            _label(connection, name, labels)

    def _devices(self, *labelled: sa.ColumnElement[bool], name: str | None = None) -> list[Device]:
        """Those with the labels, which registered ones alone have; or the one of this name."""
        named, seen, labels = schema.devices.c, schema.presence.c, schema.device_labels.c
        with self._database.reading() as connection:
            registered = connection.scalars(_only(sa.select(named.name).where(*labelled), named.name, name)).all()
            presence = connection.execute(_only(sa.select(schema.presence), seen.device, name)).all()
            given = connection.execute(_only(sa.select(schema.device_labels), labels.device, name)).all()
        return _put_together(registered, presence, given, only_registered=bool(labelled))

    def note_availability(self, device: str, availability: Availability, *, at: float, now: float = math.inf) -> None:
        word = availability.value
        said = {"availability": word, "last_seen": at, "availability_at": at}
        columns = schema.presence.c
        said_at = sa.func.coalesce(columns.availability_at, at)
        newer = (said_at <= at) | (said_at > now)
        registered = sa.exists().where(schema.devices.c.name == device)
        stays = (columns.availability == Availability.STOPPED.value) & ~registered
        insert = self._insert(schema.presence).values(device=device, **said)
        self._change(
            insert.on_conflict_do_update(
                index_elements=["device"], set_=said, where=(columns.availability != word) & newer & ~stays
            )
        )


def _stopped(name: str, *, at: float) -> sa.Update:
    presence = schema.presence
    said = {"availability": Availability.STOPPED.value, "availability_at": at}
    return sa.update(presence).where(presence.c.device == name).values(**said)


def _label(connection: sa.Connection, name: str, labels: Mapping[str, str]) -> None:
    table = schema.device_labels
    rows = [{"device": name, "key": key, "value": value} for key, value in labels.items()]
    connection.execute(sa.delete(table).where(table.c.device == name))
    if rows:
        connection.execute(sa.insert(table), rows)


def _labelled(key: str, value: str) -> sa.Select[Any]:
    columns = schema.device_labels.c
    return sa.select(columns.device).where(columns.key == key, columns.value == value)


def _only(query: sa.Select[Any], column: sa.ColumnElement[str], name: str | None) -> sa.Select[Any]:
    return query if name is None else query.where(column == name)


def _put_together(
    registered: Sequence[str], presence: Sequence[sa.Row[Any]], given: Sequence[sa.Row[Any]], *, only_registered: bool
) -> list[Device]:
    names, seen = set(registered), {row.device: row for row in presence}
    labels: dict[str, dict[str, str]] = {}
    for row in given:
        labels.setdefault(row.device, {})[row.key] = row.value
    return [
        Device(
            name,
            registered=name in names,
            availability=Availability(seen[name].availability) if name in seen else Availability.OFFLINE,
            last_seen=seen[name].last_seen if name in seen else None,
            labels=labels.get(name, {}),
        )
        for name in sorted(names if only_registered else names | set(seen))
    ]
