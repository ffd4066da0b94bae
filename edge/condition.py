"""The device's condition: what its rooms know of themselves, gathered into one state."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from typing import Any

from edge.requests.recent import RecentRequests
from edge.tables.networks import Networks
from edge.telemetry.energy_total import EnergyTotal
from edge.telemetry.outbox import Outbox
from edge.telemetry.outbox_file import OutboxFailed
from hardware.board import Board
from hardware.clock import Clock
from hardware.throttling import Slowdown
from protocol.state import DeviceState, PowerState


@dataclass(frozen=True, eq=False)
class Parts:
    """Where the figures come from. `meter` names the power meter; `accelerators` tells the
    health of each as `Accelerators.state` does."""

    board: Board
    meter: str
    energy: EnergyTotal
    recent: RecentRequests
    networks: Networks
    outbox: Outbox
    accelerators: Callable[[], Mapping[str, Mapping[str, Any]]] = dict


class Condition:
    """Gives the state now. For one thread at a time: what slowed the device down is told of the time since the last look."""

    def __init__(self, parts: Parts, *, clock: Clock = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._began_s = clock()
        self._version = installed_version("dynasplit")
        self._slowdown: Slowdown = parts.board.slowdown()
        self._dropped: dict[str, int] = {}

    def __call__(self) -> DeviceState:
        parts, board = self._parts, self._parts.board
        plans = [network.plan for network in parts.networks.all() if network.plan]
        return DeviceState(
            agent_version=self._version,
            uptime_s=self._clock() - self._began_s,
            power=self._power(),
            requests=parts.recent.state,
            cpu_khz=board.running_khz(),
            temperature_c=board.temperature_c(),
            throttled=self._throttled(),
            tables={plan.table.network: plan.table.version for plan in plans},
            waiting=len(parts.outbox),
            dropped=self._lost(),
            accelerators={str(name): _word(health) for name, health in parts.accelerators().items()},
        )

    def _power(self) -> PowerState:
        spent, meter = self._parts.energy.look(), self._parts.board.meter
        return PowerState(self._parts.meter, meter.provenance, spent.watts, spent.kwh, spent.kinds)

    def _throttled(self) -> tuple[str, ...]:
        before, self._slowdown = self._slowdown, self._parts.board.slowdown()
        return self._slowdown.since(before)

    def _lost(self) -> dict[str, int]:
        """Of the outbox, by kind; what was last known while the disk does not answer."""
        with contextlib.suppress(OutboxFailed):
            self._dropped = {kind.value: count for kind, count in self._parts.outbox.dropped.items()}
        return self._dropped


def _word(health: Mapping[str, Any]) -> str:
    """`usable`, or why it is not."""
    return "usable" if health["usable"] else str(health["reason"])
