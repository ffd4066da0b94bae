"""A meter whose figures are looked at before they are believed."""

from __future__ import annotations

from dataclasses import replace

from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance

MOST_WATTS = 20_000.0
"""More than any board or node that a meter here watches draws."""

LEAST_WATTS = -1.0
"""What is between this and 0 is the offset of a shunt's amplifier at no load, and counts as 0."""


class BelievableMeter:
    """Another meter, lost for as long as it says what no board can draw.

    One absurd number would stand in the energy of all that follows: joules only ever grow. A counter that leaps is taken
    up from where it leapt to.
    """

    def __init__(self, meter: PowerMeter) -> None:
        self.meter = meter
        self._last: Reading | None = None
        self._leapt_j = 0.0

    @property
    def provenance(self) -> Provenance:
        return self.meter.provenance

    @property
    def period_s(self) -> float:
        return self.meter.period_s

    def read(self) -> Reading:
        reading = self.meter.read()
        if not LEAST_WATTS <= reading.watts <= MOST_WATTS:
            raise MeterLost(
                f"the meter says {reading.watts:g} W, which cannot be; is its unit watts, and its sensor the right way round?"
            )
        self._check_count(reading)
        self._last = reading
        joules = None if reading.joules is None else reading.joules - self._leapt_j
        return replace(reading, watts=max(0.0, reading.watts), joules=joules)

    def close(self) -> None:
        """Ends what the meter holds open."""
        close = getattr(self.meter, "close", None)
        if close is not None:
            close()

    def _check_count(self, reading: Reading) -> None:
        """MeterLost, once, for a counter that has grown by more than can have been drawn meanwhile."""
        last = self._last
        if reading.joules is None or last is None or last.joules is None:
            return
        grown_j = reading.joules - last.joules
        most_j = MOST_WATTS * (reading.at_s - last.at_s + self.period_s)
        if grown_j > most_j:
            self._last, self._leapt_j = reading, self._leapt_j + grown_j
            raise MeterLost(
                f"the meter's counter leapt by {grown_j:g} J at once, which cannot be; it is taken up from there"
            )
