"""The gauge: joules of the whole device up to a moment, whatever kind of meter counts them."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Protocol

from hardware.clock import Clock
from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Count:
    """Joules from an arbitrary start up to a moment, and how far they can be trusted.

    `resolution_s` is how far the meter's values around the moment lie apart, infinite where the figure is no better than
    a guess. `gaps` is how often the meter was lost, or began again, up to then: a window over a gap is an estimate.
    """

    joules: float
    resolution_s: float
    gaps: int = 0


@dataclass(frozen=True)
class Moment:
    """A moment on the monotonic clock in seconds, and what was counted up to it where that is known at once."""

    at_s: float
    count: Count | None = None


class Gauge(Protocol):
    """What a device has spent up to any moment that was marked. For one thread at a time, but for `catch_up`."""

    @property
    def provenance(self) -> Provenance:
        """What stands behind the joules where they are not estimated."""
        ...

    @property
    def resolution_s(self) -> float:
        """How far the meter's values around a moment lie apart when all goes well."""
        ...

    def mark(self) -> Moment:
        """Now. Never before an earlier moment, and never waits."""
        ...

    def catch_up(self, at_s: float) -> None:
        """Waits until what was counted up to a marked moment is known, if that takes no longer than a few milliseconds."""
        ...

    def counted(self, at_s: float) -> Count:
        """What was counted up to a marked moment; of what is not known yet, an estimate. Ask in the order of the marks."""
        ...


class Tally:
    """Joules from one reading after the other: by the meter's counter, else by the trapezoid under its watts.

    While the meter is lost its last power goes on. Joules never go back: what was told is kept.
    """

    def __init__(self, joules: float = 0.0, *, gaps: int = 0, last: Reading | None = None) -> None:
        self.joules = joules
        self.gaps = gaps
        self._last = last
        self._last_j = joules
        self._lost = False

    @property
    def watts(self) -> float:
        """The last power; 0 before the first reading."""
        return self._last.watts if self._last else 0.0

    @property
    def counts(self) -> bool:
        """Whether the meter showed a joule counter in its last reading."""
        return self._last is not None and self._last.joules is not None

    def add(self, reading: Reading) -> None:
        """Counts on to a reading."""
        if self._last is not None:
            self._last_j = max(self.joules, self._last_j + self._spent_j(self._last, reading))
        self.joules, self._last, self._lost = self._last_j, reading, False

    def lose(self, at_s: float) -> None:
        """Counts on to a moment at which the meter gave no reading."""
        self.gaps += not self._lost
        self._lost = True
        if self._last is not None:
            self.joules = max(self.joules, self._last_j + self._last.watts * max(0.0, at_s - self._last.at_s))

    def _spent_j(self, before: Reading, after: Reading) -> float:
        if before.joules is not None and after.joules is not None:
            if after.joules >= before.joules:
                return after.joules - before.joules
            self.gaps += 1  # a counter that began again
        return (before.watts + after.watts) / 2 * max(0.0, after.at_s - before.at_s)


class DirectGauge:
    """A meter in this process that is read at each mark: an exact counter is as good as sampling, and costs nothing between.

    Two readings of bare watts say nothing of what was between them: that is an estimate.
    """

    def __init__(self, meter: PowerMeter, *, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock
        self._tally = Tally()
        self._lost = False

    @property
    def provenance(self) -> Provenance:
        return self._meter.provenance

    @property
    def resolution_s(self) -> float:
        return self._meter.period_s

    def mark(self) -> Moment:
        try:
            reading = self._meter.read()
        except MeterLost as error:
            return self._marked_lost(error)
        self._lost = False
        self._tally.add(reading)
        resolution_s = math.inf if reading.joules is None else self._meter.period_s
        return Moment(reading.at_s, Count(self._tally.joules, resolution_s, self._tally.gaps))

    def catch_up(self, at_s: float) -> None:
        """Nothing to wait for."""

    def counted(self, at_s: float) -> Count:
        raise LookupError(f"each mark of a meter in this process carries its count already, that at {at_s} s too")

    def _marked_lost(self, error: MeterLost) -> Moment:
        if not self._lost:
            logger.warning("power meter lost, energy is estimated from its last value: %s", error)
        self._lost = True
        now_s = self._clock()
        self._tally.lose(now_s)
        return Moment(now_s, Count(self._tally.joules, math.inf, self._tally.gaps))
