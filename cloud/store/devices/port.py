"""Devices as the cloud keeps them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from protocol.errors import Conflict, NotFound
from protocol.presence import Availability


@dataclass(frozen=True)
class Device:
    """A device that is registered or was heard of. `last_seen`: wall time in seconds since the epoch, None: never.

    `labels` are those of a registered device, by key.
    """

    name: str
    registered: bool
    availability: Availability
    last_seen: float | None
    labels: Mapping[str, str] = field(default_factory=dict)


NO_LABELS: Mapping[str, str] = MappingProxyType({})


class DeviceStore(Protocol):
    """Devices that are registered or were heard of.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def add_device(self, name: str, *, token_sha256: str, labels: Mapping[str, str] = NO_LABELS) -> None:
        """Registers a device with these labels; Conflict when it is registered already."""
        ...

    def remove_device(self, name: str, *, at: float) -> None:
        """Forgets a device's token and labels, its code that nobody used, which tables it shall use (`TableStore.withdrawn`) and
        what it last said of them; not its records, nor the history of its tables. NotFound when it is not registered and there
        is no such code.

        Where it was heard of it is STOPPED from then on, `at`: what it said before that and comes in later changes nothing.
        """
        ...

    def device_with_token(self, token_sha256: str) -> str | None:
        """The registered device that the token belongs to."""
        ...

    def devices(self, *, labels: Mapping[str, str] = NO_LABELS) -> list[Device]:
        """Devices by name; only those that have all these labels."""
        ...

    def count_devices(self) -> Mapping[Availability, int]:
        """How many registered devices there are by availability, those with none left out. Quick for any number of them."""
        ...

    def device(self, name: str) -> Device | None:
        """None for a name that is neither registered nor was ever heard of."""
        ...

    def set_labels(self, name: str, labels: Mapping[str, str]) -> None:
        """Gives a device these labels and no others; NotFound when it is not registered."""
        ...

    def note_availability(self, device: str, availability: Availability, *, at: float, now: float = math.inf) -> None:
        """A device came or went, which came in `at`. A repeat of what is known does not count as seeing it; what is older
        than it changes nothing.

        One that is not registered and was STOPPED stays so: a broker that was killed may say again what it retained of a
        device that is retired.

        `now`: the same clock as it is noted. What is known from after that came in before the clock was set back: it is older.
        """
        ...


def device_exists(name: str) -> Conflict:
    return Conflict(
        f"device '{name}' is registered already; for a new token have a code issued that replaces the old one "
        f"(dynasplit enroll --issue {name} --replace), or delete it first: DELETE /api/v1/devices/{name}"
    )


def device_unknown(name: str) -> NotFound:
    return NotFound(f"device '{name}' is not registered")
