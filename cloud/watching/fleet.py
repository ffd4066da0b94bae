"""What the store knows of the fleet, asked for when somebody looks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from protocol.errors import ServiceMissing

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fleet:
    """Registered devices by availability, and how many messages and records could not be read."""

    devices: Mapping[str, int]
    dead_letters: int


class FleetCollector(Collector):
    """`look` raises ServiceMissing while the store is away: the gauges are left out then, and `dynasplit_store_up` is 0."""

    def __init__(self, look: Callable[[], Fleet]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("dynasplit_store_up", "Whether the store answers.")
        try:
            fleet = self._look()
        except ServiceMissing as error:
            logger.debug("the store tells nothing of the fleet: %s", error)
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        devices = GaugeMetricFamily("dynasplit_devices", "Registered devices by availability.", labels=["availability"])
        for availability, count in sorted(fleet.devices.items()):
            devices.add_metric([availability], count)
        yield devices
        yield GaugeMetricFamily(
            "dynasplit_dead_letters", "Messages and records that could not be read.", fleet.dead_letters
        )
