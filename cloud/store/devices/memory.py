"""Devices in memory."""

from __future__ import annotations

import threading

from cloud.store.devices.port import Device, device_exists, device_unknown
from protocol.presence import Availability

_NEVER_SEEN = (Availability.OFFLINE, None)


class MemoryDevices:
    """A `DeviceStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._devices_lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._presence: dict[str, tuple[Availability, float | None]] = {}

    def add_device(self, name: str, *, token_sha256: str) -> None:
        self._register(name, token_sha256=token_sha256, replace=False)

    def _register(self, name: str, *, token_sha256: str, replace: bool) -> None:
        with self._devices_lock:
            if name in self._tokens and not replace:
                raise device_exists(name)
            self._tokens[name] = token_sha256

    def remove_device(self, name: str) -> None:
        with self._devices_lock:
            if self._tokens.pop(name, None) is None:
                raise device_unknown(name)

    def device_with_token(self, token_sha256: str) -> str | None:
        with self._devices_lock:
            return next((name for name, token in self._tokens.items() if token == token_sha256), None)

    def devices(self) -> list[Device]:
        with self._devices_lock:
            names = sorted({*self._tokens, *self._presence})
            return [Device(name, name in self._tokens, *self._presence.get(name, _NEVER_SEEN)) for name in names]

    def note_availability(self, device: str, availability: Availability, *, at: float) -> None:
        with self._devices_lock:
            known, _ = self._presence.get(device, (None, None))
            if known != availability:
                self._presence[device] = (availability, at)

    def _seen(self, device: str, *, at: float) -> None:
        with self._devices_lock:
            availability, _ = self._presence.get(device, _NEVER_SEEN)
            self._presence[device] = (availability, at)
