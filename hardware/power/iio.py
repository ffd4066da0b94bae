"""INA2xx power monitors through the kernel's IIO driver (drivers/iio/adc/ina2xx-adc.c, Documentation/ABI/testing/sysfs-bus-iio)."""

from __future__ import annotations

import time
from pathlib import Path

from hardware.clock import Clock
from hardware.power.meter import Reading
from hardware.power.sensors import CHIPS, number, text
from protocol.configuration import Provenance

_SLOWEST_DEFAULT_S = 0.00888
"""What the driver sets an INA226 to: 4 averages of 1.11 ms each for voltage and current."""


class IioMeter:
    """One device's folder, such as `/sys/bus/iio/devices/iio:device0`: `in_power2_raw` times `in_power2_scale` in mW.

    The driver takes the place of the hwmon one for the same chips (219, 220, 226, 230, 231). What it measures is what the
    shunt carries; there is no count of energy. A shunt other than 10 milliohms must have been told to the driver
    (`in_shunt_resistor`, in ohms).
    """

    provenance = Provenance.MEASURED

    def __init__(self, folder: Path, *, clock: Clock = time.monotonic) -> None:
        self.folder = folder
        self.period_s = _period_s(folder)
        self._raw = _power_file(folder) or folder / "in_power2_raw"
        self._scale = self._raw.with_name(self._raw.name.removesuffix("_raw") + "_scale")
        self._clock = clock

    def read(self) -> Reading:
        milliwatts = number(self._raw) * number(self._scale)
        return Reading(watts=milliwatts / 1e3, joules=None, at_s=self._clock())


def iio_sensors(sys: Path) -> list[Path]:
    """The folders of INA2xx devices with a power channel, in the order of their numbers."""
    folders = [
        folder
        for folder in (sys / "bus/iio/devices").glob("iio:device*")
        if text(folder / "name") in CHIPS and _power_file(folder)
    ]
    return sorted(folders, key=lambda folder: (len(folder.name), folder.name))


def _power_file(folder: Path) -> Path | None:
    """The channel's number was another one in the driver's first versions."""
    return next(iter(sorted(folder.glob("in_power*_raw"))), None)


def _period_s(folder: Path) -> float:
    """`in_sampling_frequency` in Hz follows from the conversion times and averages."""
    try:
        hertz = float(text(folder / "in_sampling_frequency"))
    except ValueError:
        return _SLOWEST_DEFAULT_S
    return 1 / hertz if hertz > 0 else _SLOWEST_DEFAULT_S
