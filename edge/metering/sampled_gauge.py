"""The gauge over a sampled meter."""

from __future__ import annotations

import math
from typing import Protocol

from edge.metering.gauge import Count, Moment
from edge.metering.ring import Kind, Ring, Slot, Torn
from edge.metering.sampling import DENSEST_S, SAMPLE_EVERY_S
from hardware.clock import Clock
from protocol.configuration import Provenance

_NUDGED_PERIOD_S = 0.05
"""A meter whose values are older than that shows nothing new when a window opens or closes, so it is not asked to."""

_ANSWERED_S = 0.002
"""Within that a nudge is answered where a core is free."""


class Sampled(Protocol):
    """A meter that something samples into a ring. Thread-safe."""

    @property
    def ring(self) -> Ring:
        """The samples."""
        ...

    @property
    def provenance(self) -> Provenance:
        """Of the meter."""
        ...

    @property
    def period_s(self) -> float:
        """Of the meter."""
        ...

    def nudge(self) -> None:
        """Asks for a sample at once. Never waits."""
        ...

    def await_sample(self, at_s: float) -> None:
        """Waits for a sample from this moment or later, a few milliseconds at most."""
        ...


class SampledGauge:
    """What a sampled meter had counted at any moment: between two samples by the line between two values of its counter, or by
    the trapezoid under two powers; behind the newest sample by its power, as an estimate."""

    def __init__(self, sampler: Sampled, *, clock: Clock) -> None:
        self._sampler = sampler
        self._clock = clock

    @property
    def provenance(self) -> Provenance:
        return self._sampler.provenance

    @property
    def resolution_s(self) -> float:
        latest, period_s = self._sampler.ring.latest(), self._sampler.period_s
        if period_s > _NUDGED_PERIOD_S:
            return max(period_s, SAMPLE_EVERY_S)
        return max(period_s, _ANSWERED_S if latest and latest.kind is Kind.COUNTER else DENSEST_S)

    def mark(self) -> Moment:
        at_s = self._clock()
        if self._sampler.period_s <= _NUDGED_PERIOD_S:
            self._sampler.nudge()
        return Moment(at_s)

    def catch_up(self, at_s: float) -> None:
        if self._sampler.period_s <= _NUDGED_PERIOD_S:
            self._sampler.await_sample(at_s)

    def counted(self, at_s: float) -> Count:
        try:
            before, after = self._sampler.ring.around(at_s)
        except Torn:
            before, after = self._sampler.ring.latest(), None
        if before and before.at_s == at_s:
            return _at(before, period_s=self._sampler.period_s)
        if before and after and Kind.LOST not in (before.kind, after.kind):
            return _between(before, after, at_s, period_s=self._sampler.period_s)
        return _beyond(before or after, at_s)


def _at(slot: Slot, *, period_s: float) -> Count:
    return Count(slot.joules, math.inf if slot.kind is Kind.LOST else period_s, slot.gaps)


def _between(before: Slot, after: Slot, at_s: float, *, period_s: float) -> Count:
    """By a counter the share of power on the wrong side of the moment is at most what lies between it and the nearer sample."""
    passed_s, whole_s = at_s - before.at_s, after.at_s - before.at_s
    share = passed_s / whole_s
    if after.kind is Kind.COUNTER:
        nearer_s = min(passed_s, after.at_s - at_s)
        return Count(before.joules + share * (after.joules - before.joules), max(period_s, nearer_s), before.gaps)
    rise = (after.watts - before.watts) * share
    drawn_j = (before.watts + rise / 2) * passed_s
    return Count(before.joules + drawn_j, max(period_s, whole_s), before.gaps)


def _beyond(known: Slot | None, at_s: float) -> Count:
    """Where samples lack: the power of the nearest one goes on."""
    if known is None:
        return Count(0.0, math.inf)
    return Count(known.joules + known.watts * (at_s - known.at_s), math.inf, known.gaps)
