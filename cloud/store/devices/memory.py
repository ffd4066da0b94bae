"""Devices in memory."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Mapping

from cloud.store.devices.port import NO_LABELS, Device, device_exists, device_unknown
from protocol.presence import Availability

_NEVER_SEEN = (Availability.OFFLINE, None)


class MemoryDevices:
    """A `DeviceStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._devices_lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._labels: dict[str, dict[str, str]] = {}
        self._presence: dict[str, tuple[Availability, float | None]] = {}
        self._said_at: dict[str, float] = {}

    def add_device(self, name: str, *, token_sha256: str, labels: Mapping[str, str] = NO_LABELS) -> None:
        self._register(name, token_sha256=token_sha256, replace=False)
        if labels:
            self.set_labels(name, labels)

    def _register(self, name: str, *, token_sha256: str, replace: bool) -> None:
        with self._devices_lock:
            if name in self._tokens and not replace:
                raise device_exists(name)
            self._tokens[name] = token_sha256

    def remove_device(self, name: str, *, at: float) -> None:
        with self._devices_lock:
            if self._tokens.pop(name, None) is None:
                raise device_unknown(name)
            self._labels.pop(name, None)
            if name in self._presence:
                self._presence[name] = (Availability.STOPPED, self._presence[name][1])
                self._said_at[name] = at

    def _is_registered(self, name: str) -> bool:
        with self._devices_lock:
            return name in self._tokens

    def device_with_token(self, token_sha256: str) -> str | None:
        with self._devices_lock:
            return next((name for name, token in self._tokens.items() if token == token_sha256), None)

    def devices(self, *, labels: Mapping[str, str] = NO_LABELS) -> list[Device]:
        with self._devices_lock:
            known = [self._device(name) for name in sorted({*self._tokens, *self._presence})]
        return [device for device in known if labels.items() <= device.labels.items()]

    def count_devices(self) -> Mapping[Availability, int]:
        return Counter(device.availability for device in self.devices() if device.registered)

    def device(self, name: str) -> Device | None:
        with self._devices_lock:
            return self._device(name) if name in self._tokens or name in self._presence else None

    def set_labels(self, name: str, labels: Mapping[str, str]) -> None:
        with self._devices_lock:
            if name not in self._tokens:
                raise device_unknown(name)
            self._labels[name] = dict(labels)

    def _device(self, name: str) -> Device:
        presence = self._presence.get(name, _NEVER_SEEN)
        return Device(name, name in self._tokens, *presence, labels=self._labels.get(name, {}))

    def note_availability(self, device: str, availability: Availability, *, at: float, now: float = math.inf) -> None:
        with self._devices_lock:
            known, _ = self._presence.get(device, (None, None))
            if known is Availability.STOPPED and device not in self._tokens:
                return
            if known != availability and not at < self._said_at.get(device, at) <= now:
                self._presence[device] = (availability, at)
                self._said_at[device] = at

    def _seen(self, device: str, *, at: float) -> None:
        with self._devices_lock:
            availability, _ = self._presence.get(device, _NEVER_SEEN)
            self._presence[device] = (availability, at)
