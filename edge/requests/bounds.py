"""The bounds within which a device serves: what it can do, and what its operator lets it do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge.device.accelerators import Accelerators
from edge.device.capabilities import Capabilities
from edge.device.heat import Heat
from edge.offload.allowance import Allowance
from models.bundle import Bundle
from planner.choosing.limits import Limits
from protocol.configuration import Configuration


@dataclass(frozen=True, eq=False)
class Bounds:
    """What the device can do, what it may not do, what it may still send today, and what it can use now. Thread-safe."""

    capabilities: Capabilities
    limits: Limits
    allowance: Allowance
    heat: Heat | None = None
    accelerators: Accelerators = field(default_factory=Accelerators)

    @property
    def now(self) -> Limits:
        """The limits, with what is left of the day's bytes, the clocks that are believed to be reached, and the accelerators
        that can be used."""
        limits, usable = self.limits, self.accelerators.usable()
        left, clocks_khz = self.allowance.left(), self.heat.believed_khz if self.heat else None
        if (left, clocks_khz, usable) == (limits.bytes_left, limits.clocks_khz, limits.accelerators):
            return limits
        return replace(limits, bytes_left=left, clocks_khz=clocks_khz, accelerators=usable)

    def check(self, configuration: Configuration, bundle: Bundle) -> None:
        """InvalidInput or NotFound for a configuration that cannot or may not run here, whether or not its accelerator can be
        used at the moment."""
        self.capabilities.check(configuration, bundle.manifest)
        self.limits.check_clock(configuration.cpu_khz)
        self.limits.check_cut(configuration.cut, last=bundle.manifest.operator_count)
