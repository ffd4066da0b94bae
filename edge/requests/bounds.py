"""The bounds within which a device serves: what it can do, and what its operator lets it do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edge.device.capabilities import Capabilities
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

    @property
    def now(self) -> Limits:
        """The limits, with what is left of the day's bytes."""
        return replace(self.limits, bytes_left=self.allowance.left())

    def check(self, configuration: Configuration, bundle: Bundle) -> None:
        """InvalidInput or NotFound for a configuration that cannot or may not run here."""
        self.capabilities.check(configuration, bundle.manifest)
        self.limits.check_cut(configuration.cut, last=bundle.manifest.operator_count)
