"""A node's raw energy counters, which show the same to every process that looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hardware.power.meter import MeterLost
from hardware.power.nvml import PERIOD_S as NVML_PERIOD_S
from hardware.power.nvml import NvmlMeter
from hardware.power.rapl import PERIOD_S as RAPL_PERIOD_S
from hardware.power.rapl import find_counters, number_in
from hardware.sysfs import SYSFS
from protocol.errors import NotFound


@dataclass(frozen=True)
class Count:
    """A counter in microjoules, which starts again from 0 past `range_uj` (0: never)."""

    now_uj: int
    range_uj: int = 0

    def since(self, before_uj: int) -> int:
        """What was drawn since it showed `before_uj`, if it has not started again more than once; negative where it cannot be."""
        grown = self.now_uj - before_uj
        return grown + self.range_uj if grown < 0 else grown


class EnergyCounts(Protocol):
    """Counters that add up to what is measured of a node. Thread-safe.

    Unlike a `PowerMeter`, whose count starts with the process that made it, they have one beginning for all processes.
    `period_s` is how often they count on.
    """

    @property
    def period_s(self) -> float: ...

    def read(self) -> Sequence[Count]:
        """All of them, always in the same order, within some 100 microseconds. MeterLost when one does not answer."""
        ...


class RaplCounts:
    """Those of the processors (Documentation/power/powercap/powercap.rst).

    NotFound without any, NotAllowed where only root may look.
    """

    period_s = RAPL_PERIOD_S

    def __init__(self, sys: Path = SYSFS) -> None:
        folders = find_counters(sys)
        if not folders:
            raise NotFound(
                f"{sys / 'class/powercap'} has no processor counters (RAPL): not an x86 machine, or a virtual one"
            )
        self._counters = [(folder / "energy_uj", number_in(folder / "max_energy_range_uj")) for folder in folders]
        self.read()

    def read(self) -> Sequence[Count]:
        return [Count(number_in(path), range_uj) for path, range_uj in self._counters]


class NvmlCounts:
    """That of a GPU with its memory, since the driver was loaded (nvmlDeviceGetTotalEnergyConsumption).

    Errors as `NvmlMeter`; NotFound for a GPU that keeps no count.
    """

    period_s = NVML_PERIOD_S

    def __init__(self, index: int = 0, *, nvml: Any = None) -> None:
        self._meter = NvmlMeter(index, nvml=nvml)
        if self._meter.total_mj() is None:
            raise NotFound(f"GPU {index} keeps no count of energy; set node_meter to profile")

    def read(self) -> Sequence[Count]:
        total_mj = self._meter.total_mj()
        if total_mj is None:
            raise MeterLost("the GPU counts no longer")
        return [Count(total_mj * 1000)]


class NoCounts:
    """Those of a node that has none: never there, and no request is long enough for them."""

    period_s = math.inf

    def read(self) -> Sequence[Count]:
        raise MeterLost("this node has no counters of energy")


class ScriptedCounts:
    """`EnergyCounts` that show what they are told; lost while `counts` is None."""

    def __init__(self, *counts: Count, period_s: float = 0.001) -> None:
        self.counts: Sequence[Count] | None = counts
        self.period_s = period_s

    def read(self) -> Sequence[Count]:
        if self.counts is None:
            raise MeterLost("the scripted counters are lost")
        return self.counts
