"""The power meter that this machine has."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from hardware.clock import Clock, Sleep
from hardware.power.hwmon import CHIPS, HwmonMeter, find_sensor
from hardware.power.meter import PowerMeter
from hardware.power.rapl import RaplMeter, find_packages
from hardware.sysfs import SYSFS
from protocol.errors import NotFound

logger = logging.getLogger(__name__)


def find_meter(sys: Path = SYSFS, *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> PowerMeter:
    """A sensor in the supply when there is one, since it sees the whole board, else the processor's own counters.

    Raises NotFound when neither is there: energies are never guessed.
    """
    if sensor := find_sensor(sys):
        logger.info("power comes from the sensor %s", sensor)
        return HwmonMeter(sensor, clock=clock)
    if packages := find_packages(sys):
        logger.info("power comes from the counters of %d processor packages (RAPL)", len(packages))
        return RaplMeter(packages, clock=clock, sleep=sleep)
    raise NotFound(
        f"no power meter found: neither a sensor ({', '.join(CHIPS)}) in {sys / 'class/hwmon'} nor processor counters in "
        f"{sys / 'class/powercap'}; connect one, or use an emulated board"
    )
