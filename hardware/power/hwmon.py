"""INA2xx power monitors on the I2C bus, through the kernel's hwmon (Documentation/hwmon/ina2xx.rst)."""

from __future__ import annotations

import time
from pathlib import Path

from hardware.clock import Clock
from hardware.power.meter import Reading
from hardware.power.sensors import CHIPS, number, text
from protocol.configuration import Provenance

_FIXED_PERIOD_S = 0.00106
"""The kernel runs an INA219 with 12 bits for voltage and current, 532 us each (TI SBOS448), and offers no interval."""


class HwmonMeter:
    """One sensor's folder, such as `/sys/class/hwmon/hwmon2`: `power1_input` in microwatts, and where a driver has none,
    `in1_input` in millivolts times `curr1_input` in milliamperes.

    What it measures is what its shunt carries: put it into the supply of the whole board. The sensor keeps no count of
    energy.
    """

    provenance = Provenance.MEASURED

    def __init__(self, folder: Path, *, clock: Clock = time.monotonic) -> None:
        self.folder = folder
        self.period_s = _period_s(folder)
        self._multiplies = not (folder / "power1_input").exists()
        self._clock = clock

    def read(self) -> Reading:
        return Reading(watts=self._microwatts() / 1e6, joules=None, at_s=self._clock())

    def _microwatts(self) -> float:
        if self._multiplies:
            return self._number("in1_input") * self._number("curr1_input")
        return self._number("power1_input")

    def _number(self, name: str) -> float:
        return number(self.folder / name)


def hwmon_sensors(sys: Path) -> list[Path]:
    """The folders of INA2xx sensors below the root of sysfs, by the chip's name, in the order of their numbers."""
    folders = (sys / "class/hwmon").glob("hwmon*")
    return sorted(filter(_is_sensor, folders), key=lambda folder: (len(folder.name), folder.name))


def _is_sensor(folder: Path) -> bool:
    if text(folder / "name") not in CHIPS:
        return False
    return (folder / "power1_input").exists() or ((folder / "in1_input").exists() and (folder / "curr1_input").exists())


def _period_s(folder: Path) -> float:
    """`update_interval` is in ms; only the chips that average have it."""
    interval = text(folder / "update_interval")
    return int(interval) / 1e3 if interval.isdigit() and int(interval) > 0 else _FIXED_PERIOD_S
