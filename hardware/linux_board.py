"""Any Linux machine as a board: clocks by cpufreq, power by whatever meter is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hardware.accelerator.port import EdgeTpu, set_awake
from hardware.board import Applied, check_on_offer
from hardware.clock import Clock, Sleep
from hardware.cpufreq import CpuFrequency
from hardware.power.meter import PowerMeter
from hardware.power.opening import MeterSpec, open_meter
from hardware.sysfs import SYSFS, Write, write_text
from hardware.thermal import CpuTemperature
from hardware.throttling import Slowdown, Throttling
from protocol.configuration import EdgeAccelerator, Provenance
from protocol.errors import DynaSplitError, InvalidInput
from protocol.work import Work

T = TypeVar("T")

NAME = "linux"


class LinuxBoard:
    """The board port on the machine that runs this. Work simply runs; its time and power are what they are."""

    name = NAME
    provenance = Provenance.MEASURED

    def __init__(
        self,
        frequency: CpuFrequency,
        meter: PowerMeter,
        throttling: Throttling,
        *,
        temperature: CpuTemperature,
        edge_tpu: EdgeTpu | None = None,
    ) -> None:
        self._frequency = frequency
        self._meter = meter
        self._throttling = throttling
        self._edge_tpu = edge_tpu
        self._temperature = temperature
        self._ladder_khz = frequency.ladder_khz()
        self._processor = threading.Lock()

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
            held_khz = self._frequency.hold(cpu_khz)
            set_awake(self._edge_tpu, accelerator)
            return Applied(held_khz, accelerator)

    def execute(self, work: Work, run: Callable[[], T], *, threads: int = 1) -> T:
        del work  # the machine finds out by itself
        if threads < 1:
            raise InvalidInput(f"{self.name} runs work on 1 thread or more, not {threads}")
        with self._processor:
            return run()

    def throttled(self) -> bool:
        return self._throttling.now()

    def slowdown(self) -> Slowdown:
        return self._throttling.look()

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
            if self._edge_tpu:
                self._edge_tpu.restore()
            self._frequency.restore()


def open_linux_board(
    sys: Path = SYSFS,
    *,
    edge_tpu: EdgeTpu | None = None,
    write: Write = write_text,
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> LinuxBoard:
    """This machine as a board, `sys` being the root of sysfs.

    Raises NotFound where its clock cannot be set or no power meter is there, NotAllowed for a meter that this user may
    not read.
    """
    frequency = CpuFrequency(sys, write=write, clock=clock, sleep=sleep)
    meter = open_meter(MeterSpec(sys=sys), clock=clock, sleep=sleep)
    return LinuxBoard(frequency, meter, Throttling(sys), temperature=CpuTemperature(sys), edge_tpu=edge_tpu)
