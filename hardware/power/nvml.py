"""The power of an NVIDIA GPU, through NVML (NVML API reference: nvmlDeviceGetTotalEnergyConsumption, nvmlDeviceGetPowerUsage)."""

from __future__ import annotations

import importlib
import time
from typing import Any

from hardware.clock import Clock
from hardware.power.meter import MeterLost, Reading
from hardware.power.rising import RisingCount
from protocol.configuration import Provenance
from protocol.errors import NotFound, ServiceMissing

PERIOD_S = 0.1
"""How often the driver counts on and looks again."""

_NOT_SUPPORTED = 3
"""NVML_ERROR_NOT_SUPPORTED: GPUs before Volta keep no count of energy."""


class NvmlMeter:
    """One GPU with its memory, by NVML's number: watts, and the driver's count of millijoules where the GPU keeps one.

    It sees the GPU's board alone, not the node around it. `nvml` is the module `pynvml` of the package nvidia-ml-py.
    ServiceMissing where the driver is not there, NotFound for a GPU that is not.
    """

    provenance = Provenance.MEASURED
    period_s = PERIOD_S

    def __init__(self, index: int = 0, *, nvml: Any = None, clock: Clock = time.monotonic) -> None:
        self._nvml = nvml or _package()
        self._index = index
        self._clock = clock
        self._count = RisingCount()
        self._device = self._found()
        self._counts = self._keeps_count()

    def read(self) -> Reading:
        try:
            return self._read()
        except self._nvml.NVMLError as error:
            self._count.forget()
            self._device = None
            raise MeterLost(f"GPU {self._index}: {error}; look at nvidia-smi") from error

    def total_mj(self) -> int | None:
        """The driver's own count, which all processes see alike; None for a GPU that keeps none. MeterLost as `read`."""
        if not self._counts:
            return None
        try:
            device = self._device = self._device or self._nvml.nvmlDeviceGetHandleByIndex(self._index)
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(device))
        except self._nvml.NVMLError as error:
            self._device = None
            raise MeterLost(f"GPU {self._index}: {error}; look at nvidia-smi") from error

    def close(self) -> None:
        """Lets go of the driver; what else the process does with it goes on."""
        self._device = None
        self._nvml.nvmlShutdown()

    def _read(self) -> Reading:
        """A GPU that was lost is looked up again: its handle may have changed."""
        device = self._device = self._device or self._nvml.nvmlDeviceGetHandleByIndex(self._index)
        joules = None
        if self._counts:
            joules = self._count.at(self._nvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1e3)
        watts = self._nvml.nvmlDeviceGetPowerUsage(device) / 1e3
        return Reading(watts=watts, joules=joules, at_s=self._clock())

    def _found(self) -> Any:
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise ServiceMissing(f"NVML cannot be used: {error}; is the NVIDIA driver installed and loaded?") from error
        count = self._nvml.nvmlDeviceGetCount()
        if not 0 <= self._index < count:
            raise NotFound(f"GPU {self._index} is not here; NVML counts {count}, from 0")
        return self._nvml.nvmlDeviceGetHandleByIndex(self._index)

    def _keeps_count(self) -> bool:
        try:
            self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device)
        except self._nvml.NVMLError as error:
            if error.value == _NOT_SUPPORTED:
                return False
            raise MeterLost(f"GPU {self._index}: {error}; look at nvidia-smi") from error
        return True


def _package() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as error:
        raise ServiceMissing("meter 'nvml' needs the package nvidia-ml-py: pip install nvidia-ml-py") from error
