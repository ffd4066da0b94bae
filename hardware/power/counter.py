"""An exact energy counter for a device whose power is known at every moment."""

from __future__ import annotations

import threading

from hardware.clock import Clock
from hardware.power.meter import Reading
from protocol.configuration import Provenance


class EnergyCounter:
    """Integrates the power of the device's present state over the clock. A power meter, and thread-safe."""

    provenance = Provenance.EMULATED
    period_s = 0.0

    def __init__(self, watts: float, *, clock: Clock) -> None:
        self._watts = watts
        self._clock = clock
        self._joules = 0.0
        self._counted_to_s = clock()
        self._lock = threading.Lock()

    def draw(self, watts: float) -> None:
        """From now on the device draws this."""
        with self._lock:
            self._count()
            self._watts = watts

    def read(self) -> Reading:
        with self._lock:
            self._count()
            return Reading(watts=self._watts, joules=self._joules, at_s=self._counted_to_s)

    def _count(self) -> None:
        now_s = self._clock()
        self._joules += self._watts * (now_s - self._counted_to_s)
        self._counted_to_s = now_s
