"""The energy counters of x86 processors, through powercap (Documentation/power/powercap/powercap.rst)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from hardware.clock import Clock, Sleep
from hardware.power.meter import MeterLost, Reading
from hardware.sysfs import not_allowed
from protocol.configuration import Provenance

PERIOD_S = 0.001
"""The processor updates its counters about once a millisecond (Intel SDM, volume 3B, 15.10.3)."""

_MOST_W = 10_000.0
"""More than any processor draws, also where two updates fall into one millisecond."""


class RaplMeter:
    """Counters (`energy_uj`, in microjoules) added up: of the processors and their caches, or of the platform.

    `joules` counts from the making of the meter. `watts` is the average since the reading before, over a millisecond at
    least. A counter wraps at `max_energy_range_uj`, after minutes under load: read it at least once a minute. What was
    drawn while the counters could not be read is not counted, since nobody knows how often they wrapped; nor where one
    jumped, as when it began again after a sleep of the machine: the meter is lost for one reading then.
    """

    provenance = Provenance.MEASURED
    period_s = PERIOD_S

    def __init__(self, counters: Sequence[Path], *, clock: Clock = time.monotonic, sleep: Sleep = time.sleep) -> None:
        self._counters = [_Counter(folder) for folder in counters]
        self._clock = clock
        self._sleep = sleep
        self._joules = 0.0
        self._at_s = clock()
        self._watts: float | None = None
        self._lost = False

    def read(self) -> Reading:
        now_s = self._clock()
        if now_s - self._at_s >= PERIOD_S or self._watts is None:
            now_s = self._advance(now_s)
        return Reading(watts=self._watts or 0.0, joules=self._joules, at_s=now_s)

    def _advance(self, now_s: float) -> float:
        if self._lost:
            now_s = self._begin_again()
        if now_s - self._at_s < PERIOD_S:
            self._sleep(PERIOD_S - (now_s - self._at_s))
            now_s = self._clock()
        spent_j = self._spent_j(now_s - self._at_s)
        self._watts = spent_j / (now_s - self._at_s)
        self._joules += spent_j
        self._at_s = now_s
        return now_s

    def _spent_j(self, seconds: float) -> float:
        spent_j = [counter.spent_uj(now_uj) / 1e6 for counter, now_uj in self._now()]
        if max(spent_j) > _MOST_W * seconds:
            self._lose()
            raise MeterLost(
                f"a processor counter jumped by {max(spent_j):.0f} J in {seconds:.3g} s; counting on from there"
            )
        return sum(spent_j)

    def _begin_again(self) -> float:
        for counter, now_uj in self._now():
            counter.spent_uj(now_uj)
        self._lost = False
        self._at_s = self._clock()
        return self._at_s

    def _now(self) -> list[tuple[_Counter, int]]:
        """All or none: one that fails must not leave the others counted."""
        try:
            return [(counter, counter.now_uj()) for counter in self._counters]
        except MeterLost:
            self._lose()
            raise

    def _lose(self) -> None:
        self._lost, self._watts = True, None


class _Counter:
    """One counter, which starts again from 0 past its range."""

    def __init__(self, folder: Path) -> None:
        self._energy = folder / "energy_uj"
        self._range_uj = number_in(folder / "max_energy_range_uj")
        self._last_uj = self.now_uj()

    def now_uj(self) -> int:
        return number_in(self._energy)

    def spent_uj(self, now_uj: int) -> int:
        """Since the call before."""
        spent_uj = now_uj - self._last_uj if now_uj >= self._last_uj else now_uj + self._range_uj - self._last_uj
        self._last_uj = now_uj
        return spent_uj


def find_counters(sys: Path) -> list[Path]:
    """The folders to count by below the root of sysfs: that of the platform (`psys`, the whole machine on the laptops that
    wire it) where it counts, else those of the processor packages. Their parts (cores, memory) are in them already."""
    zones = [zone for zone in sorted((sys / "class/powercap").glob("intel-rapl:*")) if zone.name.count(":") == 1]
    platform = [zone for zone in zones if _text(zone / "name") == "psys" and _text(zone / "energy_uj") not in ("", "0")]
    return platform or [zone for zone in zones if _text(zone / "name").startswith("package")]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def number_in(path: Path) -> int:
    """What a counter's file says; MeterLost when it does not answer, NotAllowed where this user may not look."""
    try:
        return int(path.read_text())
    except OSError as error:
        if refusal := not_allowed(path, error):
            raise refusal from error
        raise MeterLost(f"{path}: {error.strerror}; is powercap still loaded?") from error
    except ValueError as error:
        raise MeterLost(f"{path} holds no number: {error}") from error
