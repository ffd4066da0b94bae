"""What a device does while the cloud is away: it waits in vain, finishes the request itself, and stops asking for a while.

The same rules as the agent's (`edge.execution`, `edge.breaker`), on the clock of the simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.simulation.replay import Outcomes

_SHORTEST_WAIT_MS, _LONGEST_WAIT_MS = 10.0, 10_000.0
_FAIR_CHANCE = 1.25
_TAIL_SLACK, _TAIL_OVERHEAD_MS = 1.2, 2.0


@dataclass
class Breaker:
    """Opens after some failures in a row; then one attempt may pass after a pause, which doubles with each failure."""

    threshold: int = 3
    pause_ms: float = 2_000.0
    longest_ms: float = 60_000.0
    failures: int = 0
    open_until_ms: float = -math.inf

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        return self.failures > 0

    def allows(self, now_ms: float) -> bool:
        return self.failures < self.threshold or now_ms >= self.open_until_ms

    def failed(self, now_ms: float) -> None:
        self.failures += 1
        surplus = self.failures - self.threshold
        if surplus >= 0:
            self.open_until_ms = now_ms + min(self.pause_ms * 2.0 ** min(surplus, 32), self.longest_ms)

    def succeeded(self) -> None:
        self.failures = 0


def patience_ms(*, left_ms: float, cloud_ms: float, home_ms: float) -> float:
    """How long a device waits for the cloud: `left_ms` until the deadline, `cloud_ms` is what the round trip should take
    and `home_ms` what finishing on the device does."""
    if math.isinf(left_ms):
        return _LONGEST_WAIT_MS
    early_ms = left_ms - _TAIL_SLACK * home_ms - _TAIL_OVERHEAD_MS
    patience = early_ms if early_ms >= _FAIR_CHANCE * cloud_ms else max(left_ms, home_ms)
    return min(max(patience, _SHORTEST_WAIT_MS), _LONGEST_WAIT_MS)


def finished_here(planned: Outcomes, home: Outcomes, *, deadline_ms: float) -> Outcomes:
    """What one request cost that waited for the cloud in vain: its head, the wait, and then a whole edge-only run.

    Of the tail alone no trial tells what it costs on the device, so this errs on the expensive side.
    """
    waited_ms = patience_ms(
        left_ms=deadline_ms - float(planned.head_ms[0]),
        cloud_ms=float(planned.waiting_ms[0]),
        home_ms=float(home.latency_ms[0]),
    )
    return planned.cut_off(waited_ms) + home
