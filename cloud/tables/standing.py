"""Which device shall use which table for a network, and which it says that it uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.store.devices.port import Device
from cloud.store.port import Store
from cloud.store.tables.port import DesiredVersion, ReceivedReport


@dataclass(frozen=True)
class Standing:
    """A device with its tables for a network; None where there is none, or where nobody was told of the device.

    `last_version`: the newest that it was ever to use, 0 for none.
    """

    name: str
    device: Device | None
    desired: DesiredVersion | None
    received: ReceivedReport | None
    last_version: int

    @property
    def agrees(self) -> bool:
        """Whether it uses what it shall."""
        return bool(self.desired and self.received and self.received.report.digest == self.desired.version.digest)

    def to_json(self) -> dict[str, Any]:
        desired = self.desired and {**self.desired.version.to_json(), "published": self.desired.published}
        received = self.received and {**self.received.report.to_json(), "received_at": self.received.at}
        return {
            "device": self.name,
            "agrees": self.agrees,
            "desired": desired,
            "reported": received,
            "last_version": self.last_version,
        }


def standings(store: Store, network: str) -> Sequence[Standing]:
    """Of each device that has or had a table for the network, or spoke of one, by name."""
    desired, reports, versions = store.desired_versions(network), store.reports(network), store.last_versions(network)
    known = {device.name: device for device in store.devices()}
    return [
        Standing(name, known.get(name), desired.get(name), reports.get(name), versions.get(name, 0))
        for name in sorted({*versions, *desired, *reports})
    ]
