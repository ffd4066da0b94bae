"""A meter for a board without one: what such a board is known to draw, by what it is doing."""

from __future__ import annotations

import time
from typing import Protocol

from hardware.clock import Clock
from hardware.power.counter import EnergyCounter
from hardware.power.meter import Reading
from protocol.configuration import Provenance


class PowerModel(Protocol):
    """What a whole board draws at a clock."""

    def busy_w(self, cpu_khz: int) -> float:
        """While it computes."""
        ...

    def waiting_w(self, cpu_khz: int) -> float:
        """While it waits."""
        ...


class EstimatedMeter:
    """An exact count of what a power model says; nothing is measured. The board tells it what it does. Thread-safe.

    A board starts out waiting at the clock given.
    """

    provenance = Provenance.ESTIMATED
    period_s = 0.0

    def __init__(self, power: PowerModel, *, cpu_khz: int, clock: Clock = time.monotonic) -> None:
        self._power = power
        self._counter = EnergyCounter(power.waiting_w(cpu_khz), clock=clock)

    def busy(self, cpu_khz: int) -> None:
        """From now on the board computes at this clock."""
        self._counter.draw(self._power.busy_w(cpu_khz))

    def waiting(self, cpu_khz: int) -> None:
        """From now on the board waits at this clock."""
        self._counter.draw(self._power.waiting_w(cpu_khz))

    def read(self) -> Reading:
        return self._counter.read()
