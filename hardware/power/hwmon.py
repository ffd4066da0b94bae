"""INA2xx power monitors on the I2C bus, through the kernel's hwmon (Documentation/hwmon/ina2xx.rst)."""

from __future__ import annotations

import time
from pathlib import Path

from hardware.clock import Clock
from hardware.power.meter import MeterLost, Reading
from protocol.configuration import Provenance

CHIPS = ("ina219", "ina220", "ina226", "ina230", "ina231", "ina260")

_FIXED_PERIOD_S = 0.00106
"""The kernel runs an INA219 with 12 bits for voltage and current, 532 us each (TI SBOS448), and offers no interval."""


class HwmonMeter:
    """One sensor's folder, such as `/sys/class/hwmon/hwmon2`: `power1_input` in microwatts.

    What it measures is what its shunt carries: put it into the supply of the whole board. The sensor keeps no count of
    energy.
    """

    provenance = Provenance.MEASURED

    def __init__(self, folder: Path, *, clock: Clock = time.monotonic) -> None:
        self.folder = folder
        self.period_s = _period_s(folder)
        self._power = folder / "power1_input"
        self._clock = clock

    def read(self) -> Reading:
        try:
            microwatts = int(self._power.read_text())
        except OSError as error:
            raise MeterLost(f"{self._power}: {error.strerror}; is the sensor still on the bus?") from error
        except ValueError as error:
            raise MeterLost(f"{self._power} holds no number: {error}") from error
        return Reading(watts=microwatts / 1e6, joules=None, at_s=self._clock())


def find_sensor(sys: Path) -> Path | None:
    """The folder of the first INA2xx sensor below the root of sysfs, by the chip's name; None without one."""
    for folder in sorted((sys / "class/hwmon").glob("hwmon*")):
        if _text(folder / "name") in CHIPS and (folder / "power1_input").exists():
            return folder
    return None


def _period_s(folder: Path) -> float:
    """`update_interval` is in ms; only the chips that average have it."""
    text = _text(folder / "update_interval")
    return int(text) / 1e3 if text.isdigit() and int(text) > 0 else _FIXED_PERIOD_S


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
