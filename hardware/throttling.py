"""Whether heat or a weak supply slows the machine down."""

from __future__ import annotations

from pathlib import Path

from hardware.sysfs import SYSFS

_NOW = 0b1111
"""Bits 0-3 of the Raspberry Pi firmware's word: under-voltage, capped, throttled, soft temperature limit, each now.

https://www.raspberrypi.com/documentation/computers/os.html (vcgencmd get_throttled); bits 16-19 are about the past.
"""


class Throttling:
    """Asks what the machine has: the Raspberry Pi's firmware, or the counters of x86 cores.

    A machine that has neither, or cannot tell now, counts as not throttled. The kernel asks the firmware every 2 s.
    """

    def __init__(self, sys: Path = SYSFS) -> None:
        self._firmware = sorted((sys / "devices/platform").glob("soc*/soc*:firmware/get_throttled"))
        self._counters = sorted(
            (sys / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count"),
        )
        self._counted = self._count()

    def now(self) -> bool:
        """Whether the firmware says so, or a core was throttled since the last time somebody asked."""
        before, self._counted = self._counted, self._count()
        return self._counted > before or any(_number(path, base=16) & _NOW for path in self._firmware)

    def _count(self) -> int:
        return sum(_number(path, base=10) for path in self._counters)


def _number(path: Path, *, base: int) -> int:
    """0 for a file that says nothing, such as that of a core which was switched off."""
    try:
        return int(path.read_text(), base)
    except (OSError, ValueError):
        return 0
