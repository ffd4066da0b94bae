"""Presence: whether a device is there, as it says itself or as the broker says for it."""

from __future__ import annotations

from enum import StrEnum

from protocol.errors import InvalidInput


class Availability(StrEnum):
    """What stands, retained, on a device's topic `availability`: the bare word."""

    ONLINE = "online"
    """The device is connected; it says so after every connect."""

    OFFLINE = "offline"
    """It vanished without a word (its last will): switched off, crashed, or without network. It may come back."""

    STOPPED = "stopped"
    """Its agent was ended on purpose, and said goodbye."""

    @classmethod
    def from_bytes(cls, payload: bytes) -> Availability:
        """InvalidInput for any other word."""
        try:
            return cls(payload.decode("ascii", "backslashreplace"))
        except ValueError as error:
            raise InvalidInput(f"availability must be one of {', '.join(cls)}, not {payload!r:.40}") from error

    def to_bytes(self) -> bytes:
        return self.value.encode()
