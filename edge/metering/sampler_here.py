"""The sampler's counterpart without a process, on a clock that jumps: for tests and trials."""

from __future__ import annotations

import os

from edge.metering.ring import Ring
from edge.metering.sampling import Fact, Sampling
from hardware.clock import VirtualClock
from hardware.power.meter import PowerMeter
from protocol.configuration import Provenance


class SamplerHere:
    """Samples a meter as the sampler's process does, while `sleep` moves the clock. A nudge takes `answers_s` to be heard:
    0 answers at once, infinity never (no core was free)."""

    def __init__(self, meter: PowerMeter, *, clock: VirtualClock, answers_s: float = 0.0) -> None:
        self.ring, descriptor = Ring.create()
        os.close(descriptor)
        self.facts: list[Fact] = []
        self._meter = meter
        self._clock = clock
        self._answers_s = answers_s
        self._sampling = Sampling(meter, self.ring, self.facts.append, clock=clock)
        self._due_s = clock() + self._sampling.sample()
        self._nudged_s: float | None = None

    @property
    def provenance(self) -> Provenance:
        return self._meter.provenance

    @property
    def period_s(self) -> float:
        return self._meter.period_s

    def nudge(self) -> None:
        heard_s = self._clock() + self._answers_s
        self._nudged_s = heard_s if self._nudged_s is None else min(heard_s, self._nudged_s)
        self.sleep(0.0)

    def await_sample(self, at_s: float) -> None:
        """Nothing comes without `sleep`."""

    def sleep(self, seconds: float) -> None:
        """Moves the clock, and takes the samples that are due on the way."""
        until_s = self._clock() + seconds
        while (next_s := min(self._due_s, self._due_s if self._nudged_s is None else self._nudged_s)) <= until_s:
            self._clock.sleep(max(0.0, next_s - self._clock()))
            nudged = next_s == self._nudged_s
            self._due_s = self._clock() + self._sampling.sample(nudged=nudged)
            if nudged:
                self._nudged_s = None
        self._clock.sleep(max(0.0, until_s - self._clock()))
