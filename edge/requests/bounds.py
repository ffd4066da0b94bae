"""The bounds within which a device serves: what it can do, and what its operator lets it do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.device.capabilities import Capabilities
from edge.device.heat import Heat
from edge.offload.allowance import Allowance
from models.bundle import Bundle
from planner.choosing.limits import Limits
from protocol.configuration import Configuration


@dataclass(frozen=True, eq=False)
class Bounds:
    """What the device can do, what it may not do, and what it may still send today. Thread-safe."""

    capabilities: Capabilities
    limits: Limits
    allowance: Allowance
    heat: Heat | None = None

    @property
    def now(self) -> Limits:
        """The limits, with what is left of the day's bytes, and the clocks that are believed to be reached."""
        believed_khz = self.heat.believed_khz if self.heat else None
        return replace(self.limits, bytes_left=self.allowance.left(), clocks_khz=believed_khz)

    def check(self, configuration: Configuration, bundle: Bundle) -> None:
        """InvalidInput or NotFound for a configuration that cannot or may not run here."""
        self.capabilities.check(configuration, bundle.manifest)
        self.limits.check_clock(configuration.cpu_khz)
        self.limits.check_cut(configuration.cut, last=bundle.manifest.operator_count)
