"""Whether heat or a weak supply slows the machine down, and which of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hardware.firmware import Firmware, find_firmware
from hardware.sysfs import SYSFS

UNDER_VOLTAGE = "under-voltage"

_BITS = (UNDER_VOLTAGE, "clock capped", "throttled", "soft temperature limit")
"""Bits 0-3 of the Raspberry Pi firmware's word tell what is now, 16-19 the same of what was since the start.

https://www.raspberrypi.com/documentation/computers/os.html (vcgencmd get_throttled)
"""

_WAS = 16

_TAKES_CLOCK = 0b0110
_TAKES_TOP_CLOCK = 0b1000

CORES = "cores too hot"
"""What the counters of x86 cores and packages count (drivers/thermal/intel/therm_throt.c)."""


@dataclass(frozen=True)
class Slowdown:
    """What a machine said at one moment: the firmware's word, None where it did not answer, and how often cores were throttled
    since the start."""

    word: int | None = 0
    count: int = 0

    @property
    def now(self) -> tuple[str, ...]:
        """What slows it down at this moment, in words; counters alone cannot tell."""
        return _words(self._bits)

    @property
    def ever(self) -> tuple[str, ...]:
        """What did since the machine was started, or since the firmware was told to forget."""
        return _words(self._bits | self._bits >> _WAS) + ((CORES,) if self.count else ())

    @property
    def takes_clock(self) -> bool:
        """Whether the firmware now lets the processor run slower than it was told to; a weak supply alone does not."""
        return bool(self._bits & _TAKES_CLOCK)

    @property
    def takes_top_clock(self) -> bool:
        """Whether it takes away the highest clocks alone: a Raspberry Pi 3A+ or 3B+ above 60 degrees, from 1400 to 1200 MHz."""
        return bool(self._bits & _TAKES_TOP_CLOCK)

    def since(self, before: Slowdown) -> tuple[str, ...]:
        """What slowed it down at any moment between two looks, both included, as far as both were answered."""
        answered = self.word is not None and before.word is not None
        began = (self._bits & ~before._bits) >> _WAS if answered else 0
        return _words(self._bits | before._bits | began) + ((CORES,) if self.count > before.count else ())

    @property
    def _bits(self) -> int:
        return self.word or 0


class Throttling:
    """Asks what the machine has: the Raspberry Pi's firmware, or the counters of x86 cores. Thread-safe.

    A machine that has neither counts as not slowed down.
    """

    def __init__(self, sys: Path = SYSFS, *, firmware: Firmware | None = None) -> None:
        self._firmware = firmware or find_firmware(sys)
        self._counters = sorted(
            (sys / "devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count"),
        )

    def look(self, *, at_once: bool = False) -> Slowdown:
        """What the machine says now; compare two looks to know what was between them. `at_once`: does not wait for a
        firmware that has to be asked, and takes what it said last."""
        return Slowdown(self._firmware.word(at_once=at_once), sum(_number(path) for path in self._counters))


def _words(word: int) -> tuple[str, ...]:
    return tuple(text for bit, text in enumerate(_BITS) if word >> bit & 1)


def _number(path: Path) -> int:
    """0 for a file that says nothing, such as that of a core which was switched off."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
