"""Whether an Edge TPU is on the bus, and where, by sysfs.

A USB accelerator shows as `1a6e:089a` until the library has loaded its firmware, then as `18d1:9302`, on the same port
(https://coral.ai/docs/accelerator/get-started/). One on PCIe is `class/apex/apex_0` once its driver is loaded. USB devices
are folders `<bus>-<port>[.<port>…]` (Documentation/ABI/testing/sysfs-bus-usb).
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from hardware.clock import Clock
from hardware.sysfs import SYSFS

USB_IDS = (("1a6e", "089a"), ("18d1", "9302"))
"""Vendor and product, before the firmware is loaded and after."""

_PRODUCTS = {product for _, product in USB_IDS}

DEVICES = Path("bus/usb/devices")
_PCI = Path("class/apex")
_PLACE = re.compile(r"(\d+)-((?:\d+\.)*)(\d+)")
_LOOK_EVERY_S = 1.0
"""How long an Edge TPU that is away is taken to stay so: walking through all USB devices takes a millisecond."""


@dataclass(frozen=True)
class HubPort:
    """A port of a USB hub, as `uhubctl -l LOCATION -p PORT` names it."""

    location: str
    port: int


class BusPresence:
    """Looks for the TPU below a root of sysfs. Thread-safe: what it remembers only saves time."""

    def __init__(self, sys: Path = SYSFS, *, clock: Clock = time.monotonic) -> None:
        self._sys = sys
        self._clock = clock
        self._known: Path | None = None
        self._on_pci: Path | None = None
        self._away_until_s = float("-inf")

    def now(self) -> bool:
        """Whether it is there. A TPU that was just plugged in is seen a second later at most."""
        if self._known is not None and _product(self._known) in _PRODUCTS:
            return True
        if self._on_pci is not None and os.path.exists(self._on_pci):  # noqa: PTH110 - every request asks
            return True
        if self._known is None and self._clock() < self._away_until_s:
            return False
        return self.look()

    def look(self) -> bool:
        """The same, looking everywhere."""
        self._known = find_usb(self._sys)
        self._on_pci = None if self._known else find_pci(self._sys)
        if self._known is None and self._on_pci is None:
            self._away_until_s = self._clock() + _LOOK_EVERY_S
            return False
        self._away_until_s = float("-inf")
        return True

    def port(self) -> HubPort | None:
        """The port that it is plugged into; None for one that is away, or not on USB."""
        return port_of(self._known.name) if self._known is not None else None


def find_usb(sys: Path) -> Path | None:
    """The folder of the first Edge TPU on USB; None where there is none."""
    return next((folder for folder in sorted((sys / DEVICES).glob("*-*")) if _is_tpu(folder)), None)


def find_pci(sys: Path) -> Path | None:
    """The folder of the first Edge TPU on PCIe; None where there is none."""
    return next(iter(sorted((sys / _PCI).glob("apex_*"))), None)


def port_of(device: str) -> HubPort | None:
    """The hub and port of a USB device by the name of its folder: `2-1.4` is port 4 of hub `2-1`, `2-1` port 1 of root
    hub `2`. None for an interface (`2-1:1.0`) or a root hub."""
    matched = _PLACE.fullmatch(device)
    if matched is None:
        return None
    bus, between, port = matched.groups()
    return HubPort(f"{bus}-{between.rstrip('.')}" if between else bus, int(port))


def _is_tpu(folder: Path) -> bool:
    try:
        return ((folder / "idVendor").read_text(errors="replace").strip(), _product(folder)) in USB_IDS
    except OSError:
        return False


def _product(folder: Path) -> str:
    """ "" for a device that is gone. Read without any layer: every request asks."""
    try:
        descriptor = os.open(f"{folder}/idProduct", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 16).decode("ascii", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)
