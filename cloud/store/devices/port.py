"""Devices as the cloud keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from protocol.errors import Conflict, NotFound
from protocol.presence import Availability


@dataclass(frozen=True)
class Device:
    """A device that is registered or was heard of. `last_seen`: wall time in seconds since the epoch, None: never."""

    name: str
    registered: bool
    availability: Availability
    last_seen: float | None


class DeviceStore(Protocol):
    """Devices that are registered or were heard of.

    As `cloud.store.port.Store`: thread-safe, committed on return, ServiceMissing when it is away.
    """

    def add_device(self, name: str, *, token_sha256: str) -> None:
        """Registers a device; Conflict when it is registered already."""
        ...

    def remove_device(self, name: str) -> None:
        """Forgets a device's token, not its records; NotFound when it is not registered."""
        ...

    def device_with_token(self, token_sha256: str) -> str | None:
        """The registered device that the token belongs to."""
        ...

    def devices(self) -> list[Device]:
        """Devices by name."""
        ...

    def note_availability(self, device: str, availability: Availability, *, at: float) -> None:
        """A device came or went. A repeat of what is known does not count as seeing it."""
        ...


def device_exists(name: str) -> Conflict:
    return Conflict(
        f"device '{name}' is registered already; for a new token have a code issued that replaces the old one "
        f"(dynasplit enroll --issue {name} --replace), or delete it first: DELETE /api/v1/devices/{name}"
    )


def device_unknown(name: str) -> NotFound:
    return NotFound(f"device '{name}' is not registered")
