"""A board that is not there: real work, with the time and the energy that a modelled device would take for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from hardware.accelerator.model import EdgeTpuModel
from hardware.accelerator.port import EdgeTpu, set_awake
from hardware.board import Applied, check_on_offer
from hardware.clock import Clock, Sleep
from hardware.device_model import DeviceModel
from hardware.power.counter import EnergyCounter
from hardware.power.meter import PowerMeter
from hardware.power.points import PowerPoints
from hardware.throttling import Slowdown
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import InvalidInput
from protocol.work import Work

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NEGLIGIBLE_S = 1e-3
"""Handing work over takes this machine a moment too; it counts as an overrun only from here on."""


class EmulatedBoard:
    """The board port over a `DeviceModel`, deterministic on the clock handed in.

    Work runs on this machine; then the board waits until the modelled device would be done. It draws the model's busy
    power from the start of the work to that moment, the waiting power at all other times. Changing the clock takes no
    time: the published trials do not include it. With an `edge_tpu`, work runs on that while it is applied (given as
    `hardware.accelerator.model.on_chip` says), and the board draws what it does with one plugged in; while it is off, what it
    does without.
    """

    provenance = Provenance.EMULATED

    def __init__(
        self,
        name: str,
        model: DeviceModel,
        *,
        edge_tpu: EdgeTpu | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = time.sleep,
    ) -> None:
        self.name = name
        self._model = model
        self._clock = clock
        self._sleep = sleep
        self._edge_tpu = edge_tpu
        self._cpu_khz = model.ladder_khz[-1]
        self._accelerator = EdgeAccelerator.OFF
        self._counter = EnergyCounter(model.power.waiting_w(self._cpu_khz), clock=clock)
        self._processor = threading.Lock()
        self._overruns = 0

    @property
    def meter(self) -> PowerMeter:
        return self._counter

    @property
    def overruns(self) -> int:
        """How often work took this machine over 1 ms longer than the modelled device: its times are then too long."""
        return self._overruns

    def ladder_khz(self) -> tuple[int, ...]:
        return self._model.ladder_khz

    def accelerators(self) -> tuple[EdgeAccelerator, ...]:
        return self._edge_tpu.modes if self._edge_tpu else (EdgeAccelerator.OFF,)

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        check_on_offer(self, cpu_khz=cpu_khz, accelerator=accelerator)
        with self._processor:
            set_awake(self._edge_tpu, accelerator)
            self._set(cpu_khz, accelerator)
        return Applied(cpu_khz, accelerator)

    def execute(self, work: Work, run: Callable[[], T], *, threads: int = 1) -> T:
        if not 1 <= threads <= self._model.threads:
            raise InvalidInput(f"{self.name} is modelled for {self._model.threads} thread at most, not {threads}")
        with self._processor:
            lasts_s = self._time_ms(work) / 1e3
            began_s = self._clock()
            self._counter.draw(self._power.busy_w(self._cpu_khz))
            try:
                result = run()
                self._wait_until(began_s + lasts_s)
            finally:
                self._counter.draw(self._power.waiting_w(self._cpu_khz))
        return result

    def slowdown(self, *, at_once: bool = False) -> Slowdown:
        """Nothing, ever."""
        del at_once
        return Slowdown()

    def holds(self, cpu_khz: int) -> bool:
        return cpu_khz == self._cpu_khz

    def running_khz(self) -> int | None:
        return self._cpu_khz

    def temperature_c(self) -> float | None:
        """Not modelled."""
        return None

    def restore(self) -> None:
        """Back to the highest clock, where the board starts."""
        with self._processor:
            if self._edge_tpu:
                self._edge_tpu.restore()
            self._set(self._model.ladder_khz[-1], EdgeAccelerator.OFF)

    @property
    def _on(self) -> EdgeTpuModel | None:
        """The model of the Edge TPU while one is applied."""
        return None if self._accelerator is EdgeAccelerator.OFF else self._model.edge_tpu

    @property
    def _power(self) -> PowerPoints:
        return self._on.power if self._on else self._model.power

    def _time_ms(self, work: Work) -> float:
        if self._on:
            return self._on.time_ms(work, self._cpu_khz, self._accelerator)
        return self._model.time_ms(work, self._cpu_khz)

    def _set(self, cpu_khz: int, accelerator: EdgeAccelerator) -> None:
        self._cpu_khz = cpu_khz
        self._accelerator = accelerator
        self._counter.draw(self._power.waiting_w(cpu_khz))

    def _wait_until(self, done_s: float) -> None:
        left_s = done_s - self._clock()
        if left_s > 0:
            self._sleep(left_s)
        elif left_s < -_NEGLIGIBLE_S:
            self._note_overrun(-left_s)

    def _note_overrun(self, late_s: float) -> None:
        self._overruns += 1
        if self._overruns == 1:
            logger.warning(
                "this machine is slower than %s by %.1f ms on this work: emulated times are too long (said once)",
                self.name,
                late_s * 1e3,
            )
