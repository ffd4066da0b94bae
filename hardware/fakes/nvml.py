"""The module `pynvml` over one GPU that is not there."""

from __future__ import annotations

from typing import Any

from hardware.clock import Clock

_STEP_S = 0.1
_BEFORE_MJ = 1_000_000
"""What the driver has counted since it was loaded."""

_WORDS = {3: "Not Supported", 9: "Driver Not Loaded", 15: "GPU is lost"}


class NVMLError(Exception):
    """With the error's number, as that of pynvml."""

    def __init__(self, value: int) -> None:
        super().__init__(_WORDS[value])
        self.value = value


class FakeNvml:
    """What the meter uses of the module: a GPU that draws the same all the time, counted in steps of 100 ms.

    Without `counts` it is one from before Volta; `lost` takes it off the bus, and the driver is not `loaded` in a container that
    was given no GPU.
    """

    NVMLError = NVMLError

    def __init__(self, watts: float, *, clock: Clock, counts: bool = True, loaded: bool = True) -> None:
        self.lost = False
        self._watts = watts
        self._clock = clock
        self._counts = counts
        self._loaded = loaded

    def nvmlInit(self) -> None:  # noqa: N802
        if not self._loaded:
            raise NVMLError(9)

    def nvmlShutdown(self) -> None:  # noqa: N802
        self._loaded = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:  # noqa: N802
        return self._unless_lost(f"GPU {index}")

    def nvmlDeviceGetTotalEnergyConsumption(self, _handle: Any) -> Any:  # noqa: N802
        if not self._counts:
            raise NVMLError(3)
        counted_s = int(self._clock() / _STEP_S + 1e-6) * _STEP_S
        return self._unless_lost(_BEFORE_MJ + round(counted_s * self._watts * 1e3))

    def nvmlDeviceGetPowerUsage(self, _handle: Any) -> Any:  # noqa: N802
        return self._unless_lost(round(self._watts * 1e3))

    def _unless_lost(self, value: Any) -> Any:
        if self.lost:
            raise NVMLError(15)
        return value
