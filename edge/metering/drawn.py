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
    """From all samples of the stretch. Where the meter was lost in between, its last power goes on, as an estimate; what a
    meter that was lost all the while may have drawn is in no later stretch either."""

    def __init__(self, sampled: Sampled) -> None:
        self._sampled = sampled
        self._last = sampled.ring.latest()
        self._silent = False

    def since_last(self) -> Drawn:
        slots, first = self._new()
        self._silent = not slots
        self._last = slots[-1] if slots else self._last
        sound = [slot for slot in slots if slot.kind is not Kind.LOST]
        if not sound or first is None:
            return Drawn(None, None, None, self._sampled.provenance)
        return _drawn(first, slots[-1], max(slot.watts for slot in sound), self._sampled.provenance)

    def _new(self) -> tuple[list[Slot], Slot | None]:
        """The samples of the stretch, and the one that it counts from: the last of the stretch before, unless that was silent
        and samples were lost in it."""
        last = self._last
        try:
            slots = self._sampled.ring.since(last.at_s if last else 0.0)
        except Torn:
            slots = []
        if slots and (last is None or (self._silent and slots[0].gaps > last.gaps)):
            return slots, slots[0]
        return slots, last


def _drawn(first: Slot, last: Slot, max_w: float, provenance: Provenance) -> Drawn:
    joules, seconds = last.joules - first.joules, last.at_s - first.at_s
    if provenance is Provenance.MEASURED and (last.gaps > first.gaps or first.kind is Kind.LOST):
        provenance = Provenance.ESTIMATED
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
