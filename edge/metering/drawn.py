"""What the device has drawn since one was last asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from edge.metering.ring import Kind, Slot, Torn
from edge.metering.sampled_gauge import Sampled
from hardware.power.meter import MeterLost, PowerMeter, Reading
from protocol.configuration import Provenance

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawn:
    """Of a stretch of time; the figures are None where the meter was lost all the while."""

    mean_w: float | None
    max_w: float | None
    energy_mj: float | None
    provenance: Provenance


class Draws(Protocol):
    """For one thread at a time."""

    def since_last(self) -> Drawn:
        """What was drawn since the call before, or since this was made."""
        ...


class SampledDraws:
    """From all samples of the stretch. Where the meter was lost in between, its last power goes on, as an estimate."""

    def __init__(self, sampled: Sampled) -> None:
        self._sampled = sampled
        self._last = sampled.ring.latest()

    def since_last(self) -> Drawn:
        before, provenance = self._last, self._sampled.provenance
        try:
            slots = self._sampled.ring.since(before.at_s if before else 0.0)
        except Torn:
            slots = []
        sound = [slot for slot in slots if slot.kind is not Kind.LOST]
        if not sound:
            return Drawn(None, None, None, provenance)
        self._last = slots[-1]
        first = before or slots[0]
        if slots[-1].gaps > first.gaps and provenance is Provenance.MEASURED:
            provenance = Provenance.ESTIMATED
        return _drawn(first, slots[-1], max(slot.watts for slot in sound), provenance)


def _drawn(first: Slot, last: Slot, max_w: float, provenance: Provenance) -> Drawn:
    joules, seconds = last.joules - first.joules, last.at_s - first.at_s
    return Drawn(joules / seconds if seconds else last.watts, max_w, joules * 1e3, provenance)


class CountedDraws:
    """From an exact counter in this process, which knows no highest power but those that it shows when it is asked."""

    def __init__(self, meter: PowerMeter) -> None:
        self._meter = meter
        self._last = self._read()

    def since_last(self) -> Drawn:
        before, now = self._last, self._read()
        if now is None or before is None or now.joules is None or before.joules is None:
            self._last = now or before
            return Drawn(None, None, None, self._meter.provenance)
        self._last = now
        joules, seconds = now.joules - before.joules, now.at_s - before.at_s
        mean_w = joules / seconds if seconds else now.watts
        return Drawn(mean_w, max(mean_w, before.watts, now.watts), joules * 1e3, self._meter.provenance)

    def _read(self) -> Reading | None:
        try:
            return self._meter.read()
        except MeterLost as error:
            logger.debug("no power is told: %s", error)
            return None
