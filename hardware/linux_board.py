"""Any Linux machine as a board: clocks by cpufreq, power by whatever meter is there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from hardware.accelerator.port import EdgeTpu, set_awake
from hardware.board import Applied, check_on_offer
from hardware.cpufreq import CpuFrequency
from hardware.power.estimated import EstimatedMeter
from hardware.power.meter import PowerMeter
from hardware.profile import BoardProfile
from hardware.thermal import CpuTemperature
from hardware.throttling import Slowdown, Throttling
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import DynaSplitError, InvalidInput
from protocol.work import Work

T = TypeVar("T")

logger = logging.getLogger(__name__)


class LinuxBoard:
    """The board port on the machine that runs this. Work simply runs; its time and power are what they are.

    A clock that such a board never runs at is not on its ladder, whatever the kernel offers.
    """

    provenance = Provenance.MEASURED

    def __init__(
        self,
        profile: BoardProfile,
        frequency: CpuFrequency,
        meter: PowerMeter,
        throttling: Throttling,
        *,
        temperature: CpuTemperature,
        edge_tpu: EdgeTpu | None = None,
    ) -> None:
        self.name = profile.name
        self._frequency = frequency
        self._meter = meter
        self._throttling = throttling
        self._temperature = temperature
        self._edge_tpu = edge_tpu
        self._ladder_khz = ladder_on(profile, frequency.ladder_khz())
        if lacking := sorted(set(profile.clocks_khz) - set(self._ladder_khz)):
            logger.warning("a %s has the clocks %s kHz, this machine lacks them", profile.title, lacking)
        self._processor = threading.Lock()
        self._estimated = meter if isinstance(meter, EstimatedMeter) else None
        self._cpu_khz = self._ladder_khz[-1]
        self._look()

    @property
    def meter(self) -> PowerMeter:
        return self._meter

    @property
    def overruns(self) -> int:
        """None: the device is this one."""
        return 0

    def ladder_khz(self) -> tuple[int, ...]:
        return self._ladder_khz

    def accelerators(self) -> tuple[EdgeAccelerator, ...]:
        return self._edge_tpu.modes if self._edge_tpu else (EdgeAccelerator.OFF,)

    def apply(self, *, cpu_khz: int, accelerator: EdgeAccelerator) -> Applied:
        check_on_offer(self, cpu_khz=cpu_khz, accelerator=accelerator)
        with self._processor:
            try:
                self._frequency.hold(cpu_khz)
            finally:
                self._look()
            set_awake(self._edge_tpu, accelerator)
        return Applied(cpu_khz, accelerator)

    def execute(self, work: Work, run: Callable[[], T], *, threads: int = 1) -> T:
        del work  # the machine finds out by itself
        if threads < 1:
            raise InvalidInput(f"{self.name} runs work on 1 thread or more, not {threads}")
        with self._processor:
            if self._estimated:
                self._estimated.busy(self._cpu_khz)
            try:
                return run()
            finally:
                self._waits()

    def slowdown(self, *, at_once: bool = False) -> Slowdown:
        return self._throttling.look(at_once=at_once)

    def holds(self, cpu_khz: int) -> bool:
        return self._frequency.holds(cpu_khz)

    def running_khz(self) -> int | None:
        try:
            return self._frequency.running_khz()
        except DynaSplitError:
            return None

    def temperature_c(self) -> float | None:
        return self._temperature.read_c()

    def restore(self) -> None:
        with self._processor:
            try:
                if self._edge_tpu:
                    self._edge_tpu.restore()
            finally:
                self._frequency.restore()
                self._look()

    def _look(self) -> None:
        """A meter that measures nothing has to know the clock, even one that was not wanted."""
        if self._estimated:
            self._cpu_khz = self.running_khz() or self._cpu_khz
            self._waits()

    def _waits(self) -> None:
        if self._estimated:
            self._estimated.waiting(self._cpu_khz)


def ladder_on(profile: BoardProfile, offered: Sequence[int]) -> tuple[int, ...]:
    """What the kernel offers, without what such a board never runs at; InvalidInput where nothing is left."""
    ladder = tuple(khz for khz in offered if khz >= profile.lowest_khz)
    if not ladder:
        raise InvalidInput(
            f"a {profile.title} runs at {profile.lowest_khz} kHz or more, but this machine offers "
            f"{offered[0]} to {offered[-1]}: set 'board' to linux"
        )
    return ladder
