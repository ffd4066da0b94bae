"""Energy over a window of time, from a power meter."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hardware.clock import Clock
from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance

logger = logging.getLogger(__name__)

_PERIODS_FOR_A_MEASUREMENT = 5


@dataclass(frozen=True)
class Mark:
    """A moment, and what the meter said then; None where it was lost."""

    at_s: float
    reading: Reading | None


@dataclass(frozen=True)
class Energy:
    """Energy in mJ, with what stands behind it."""

    mj: float
    provenance: Provenance


class EnergyWindows:
    """What the device spent between two marks. For one thread at a time.

    With a joule counter it is the difference of two readings; without one the mean of both powers over the duration,
    which is `estimated`, as is a window shorter than five periods of the meter. While the meter is lost, the last power
    it showed is taken. What an emulated meter says stays `emulated`.
    """

    def __init__(self, meter: PowerMeter, *, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock
        self._last_watts = 0.0
        self._lost = False

    def mark(self) -> Mark:
        """Now. Two neighbouring windows share the mark between them."""
        try:
            reading = self._meter.read()
        except MeterLost as error:
            if not self._lost:
                logger.warning("power meter lost, energy is estimated from its last value: %s", error)
            self._lost = True
            return Mark(self._clock(), None)
        self._lost, self._last_watts = False, reading.watts
        return Mark(reading.at_s, reading)

    def between(self, start: Mark, end: Mark) -> Energy:
        seconds = max(0.0, end.at_s - start.at_s)
        first, last = start.reading, end.reading
        if first and last and first.joules is not None and last.joules is not None:
            whole = seconds >= _PERIODS_FOR_A_MEASUREMENT * self._meter.period_s
            return Energy(max(0.0, last.joules - first.joules) * 1e3, self._provenance(exact=whole))
        known = [reading.watts for reading in (first, last) if reading] or [self._last_watts]
        return Energy(sum(known) / len(known) * seconds * 1e3, self._provenance(exact=False))

    def _provenance(self, *, exact: bool) -> Provenance:
        if self._meter.provenance is Provenance.MEASURED and not exact:
            return Provenance.ESTIMATED
        return self._meter.provenance
