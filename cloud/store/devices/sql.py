"""Devices in a database."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.database import schema
from cloud.database.access import SqlAccess
from cloud.store.devices.port import Device, device_exists, device_unknown
from protocol.presence import Availability


class SqlDevices(SqlAccess):
    """A `DeviceStore` in a database. Every method is one transaction."""

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
