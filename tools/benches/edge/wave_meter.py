"""A meter whose truth both sides know: power that steps up and down with the clock."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from hardware.clock import Clock
from hardware.power.meter import PowerMeter, Reading
from protocol.configuration import Provenance

LOW_W, HIGH_W, STEP_S = 2.0, 6.0, 0.35


@dataclass(frozen=True)
class OpenWave:
    """Opens a wave, in whatever process. The values are new each millisecond; they carry joules or not."""

    counts_joules: bool

    def __call__(self) -> PowerMeter:
        return WaveMeter(counts_joules=self.counts_joules)


class WaveMeter:
    """2 W and 6 W by turns, of 0.35 s each, in step with the clock."""

    provenance = Provenance.MEASURED
    period_s = 0.001

    def __init__(self, *, counts_joules: bool, clock: Clock = time.monotonic) -> None:
        self._counts_joules = counts_joules
        self._clock = clock

    def read(self) -> Reading:
        now_s = self._clock()
        watts = HIGH_W if now_s // STEP_S % 2 else LOW_W
        return Reading(watts, joules_at(now_s) if self._counts_joules else None, now_s)


def joules_at(at_s: float) -> float:
    """What the wave has spent up to a moment of the clock."""
    turns, rest_s = divmod(at_s, 2 * STEP_S)
    high_s = turns * STEP_S + max(0.0, rest_s - STEP_S)
    return math.fsum((LOW_W * (at_s - high_s), HIGH_W * high_s))
